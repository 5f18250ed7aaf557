//! airchain
pub mod config;
