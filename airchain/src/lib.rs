//! airchain
