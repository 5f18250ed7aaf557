"""Turns the radio streams that a GraphQL endpoint lists into HLS, all in one process, with airchain."""
