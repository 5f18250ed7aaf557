//! Errors, raised as the classes of `airchain._errors`.

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use airchain::Error;
use airchain::config::ConfigErrors;

/// An error of airchain, by the name of its class in Python.
pub(crate) fn raise(class: &str, message: impl ToString) -> PyErr {
    let message = message.to_string();
    Python::attach(|py| {
        let made = py.import("airchain._errors").and_then(|errors| errors.getattr(class)?.call1((&message,)));
        made.map_or_else(|_| PyRuntimeError::new_err(message), PyErr::from_value)
    })
}

/// Raises what the library refuses or cannot do.
pub(crate) fn failed(error: Error) -> PyErr {
    match error {
        Error::Stopped => raise("StoppedError", error),
        Error::Threads(_) | Error::Listen(_) => raise("Error", error),
        refused => raise("ConfigError", refused),
    }
}

/// Raises what is wrong with a station's declaration.
pub(crate) fn misdeclared(errors: ConfigErrors) -> PyErr {
    raise("ConfigError", errors)
}

/// What has been closed is used no more.
pub(crate) fn closed(what: &str) -> PyErr {
    raise("StoppedError", format!("{what} has been closed"))
}

/// Refuses to go on in a process that was forked off after `born`: its threads are in the other.
pub(crate) fn same_process(born: u32) -> PyResult<()> {
    if std::process::id() == born {
        return Ok(());
    }
    let advice = "this process was forked after the airchain.Host was made, and its threads did not come along; make \
        the Host after the fork (with multiprocessing, use the start method spawn)";
    Err(raise("ForkError", advice))
}
