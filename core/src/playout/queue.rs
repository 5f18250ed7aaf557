//! Requests about the line-up: what comes after the item on air.

use serde::{Deserialize, Serialize};

use crate::item::{Invalid, Item};

/// What is asked of the line-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QueueOp {
    /// Puts `item` behind those queued before it, and before the programme's own.
    #[default]
    Add,
    /// Puts `item` at place `index`; 0 is next.
    Insert,
    /// Takes the item called `id` out.
    Remove,
    /// Puts the item called `id` at place `index`.
    Move,
    /// Answers with the line-up.
    List,
    /// Takes all queued items out; the programme's own stay.
    Clear,
}

/// A request about the line-up; which fields it needs goes by its `op`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueueRequest {
    /// What is asked.
    #[serde(default)]
    pub op: QueueOp,
    /// The item to add or insert.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<Box<Item>>,
    /// The id of the item to remove or move.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The place to insert at or move to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<usize>,
}

impl QueueRequest {
    /// A request to play `item` after those queued before it.
    pub fn add(item: Item) -> Self {
        Self { item: Some(Box::new(item)), ..Self::default() }
    }

    /// Refuses a request that lacks a field, or has one that its `op` has no use for.
    pub(crate) fn validate(&self) -> Result<(), Invalid> {
        use QueueOp::{Add, Insert, Move, Remove};
        let fields = [
            ("item", self.item.is_some(), matches!(self.op, Add | Insert), "an item to add or insert"),
            ("id", self.id.is_some(), matches!(self.op, Remove | Move), "the id of an item of the line-up"),
            (
                "index",
                self.index.is_some(),
                matches!(self.op, Insert | Move),
                "a place in the line-up, 0 is next",
            ),
        ];
        for (field, given, needed, accepted) in fields {
            if given && !needed {
                return Err(Invalid::new(field, "a value", "none with this op"));
            }
            if needed && !given {
                return Err(Invalid::new(field, "nothing", accepted));
            }
        }
        Ok(())
    }
}
