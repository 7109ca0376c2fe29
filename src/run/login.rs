//! Who we are to a proxy, before it is connected to.

use super::{
    Stage,
    secret::{self, Question},
};
use crate::{outcome::Status, plan::Proxy, proxy::Credentials, report::password_prompt};

/// A user and a password together are not longer than this.
const LIMIT: usize = 8192;

/// The user and the password, if the proxy is to be told. What is wrong is said, and comes back as
/// the status to end with.
pub(super) fn credentials(stage: &mut Stage, proxy: &Proxy) -> Result<Option<Credentials>, Status> {
    let Some(login) = &proxy.login else {
        return Ok(None);
    };
    let user = login.user.as_deref();
    let Some(from) = &login.password else {
        return Ok(user.map(Credentials::user));
    };
    let question = Question {
        what: "proxy password",
        prompt: password_prompt(user.unwrap_or_default(), &proxy.server).into(),
        options: "--proxy-auth-file or --proxy-auth-env",
        limit: LIMIT,
    };
    let line = secret::read(stage, from, &question)?;
    let known = match user {
        Some(user) => Some(Credentials::new(user, line)),
        None => Credentials::read(&line),
    };
    if known.is_none() {
        let place = secret::place(from);
        stage.report.failure(&format!(
            "the proxy password {place} is not USER:PASSWORD; with '-P USER' it is the password \
             alone"
        ));
        return Err(Status::Usage);
    }
    Ok(known)
}
