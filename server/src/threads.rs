//! The flags that say how the air threads run.

use airchain::HostConfig;
use clap::Args;

/// How urgent air threads are, and where they run.
#[derive(Args, Debug)]
pub(crate) struct ThreadArgs {
    /// SCHED_FIFO priority of the air threads, 1 to 99, or off; where it is not permitted the log says so, and what to do
    #[arg(long, value_name = "N", default_value = "10", value_parser = priority)]
    air_priority: Priority,
    /// Processors that the air threads may run on, such as 2,3; any by default
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    air_cpus: Vec<usize>,
}

/// A priority, or none.
#[derive(Clone, Copy, Debug)]
struct Priority(Option<u8>);

fn priority(text: &str) -> Result<Priority, String> {
    let number = || text.parse().ok().filter(|number| (1..=99).contains(number));
    match text {
        "off" => Ok(Priority(None)),
        _ => Ok(Priority(Some(number().ok_or("give 1 to 99, or off")?))),
    }
}

impl ThreadArgs {
    /// A host with these air threads.
    pub(crate) fn host(&self) -> HostConfig {
        HostConfig {
            air_priority: self.air_priority.0,
            air_cpus: self.air_cpus.clone(),
            ..HostConfig::default()
        }
    }
}
