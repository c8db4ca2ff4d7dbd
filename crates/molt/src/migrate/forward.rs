//! `molt migrate admin-api` and `container-gateway`: from what runs today to the new workers, step by step.

use super::args::Forward;
use super::deploy;
use super::deployment::{About, Deployment};
use super::interrupt::Interrupt;
use super::old_path;
use super::outcome::Ending;
use super::plan::{self, Journey, Resume, Seen};
use super::prober::Probers;
use super::report::Report;
use super::run::Run;
use super::state_file::{self, StateFile};
use super::step::{Failure, Way};
use super::undo;
use super::users;
use molt_common::flag::Flag;
use serde_json::json;

/// Moves these flags, one after another.
///
/// # Errors
/// How it ended, when not all was done.
pub fn forward(options: &Forward, flags: &[Flag], url: &str, report: &Report) -> Result<(), Ending> {
    let deployment = Deployment::find(&options.which, url)?;
    let interrupt = Interrupt::take().map_err(|error| Ending::Refused(format!("signals: {error}")))?;
    let run = Run::new(&deployment, report, &interrupt, &options.which.tools);
    if !deployment.local && !options.skip_deploy {
        deploy::run(&options.which, report)?;
    }
    flags.iter().try_for_each(|flag| one(&run, options, *flag))
}

/// Where a flag's migration starts, or goes on.
struct Start {
    journey: Journey,
    resumed: bool,
}

fn one(run: &Run<'_>, options: &Forward, flag: Flag) -> Result<(), Ending> {
    let name = flag.name();
    let probers = Probers::find(flag, &options.probe, run.deployment)?;
    let about = run.deployment.about();
    let about =
        about.map_err(|said| Ending::Refused(format!("the router does not say what is bound as LEGACY: {said}")))?;
    let api = run.api(&options.reason, options.allow_outage);
    let seen = run.patiently(|| api.get(flag))?;
    let path = &run.deployment.state_file;
    let mut file = match options.which.dry_run {
        true => None,
        false => Some(StateFile::open(path, &run.deployment.url)?),
    };
    let kept = match &file {
        Some(file) => file.journey(flag).cloned(),
        None => state_file::read(path, &run.deployment.url)?
            .journeys
            .get(&flag)
            .cloned(),
    };
    let Some(start) = start(run, options, flag, &probers, &about, &seen, kept)? else {
        if let Some(file) = &mut file {
            file.keep(flag, None)?;
        }
        return Ok(());
    };
    let Some(file) = &mut file else {
        rehearse(run, options, flag, &start);
        return Ok(());
    };
    if about.legacy {
        let answers = old_path::check(run, flag, &probers);
        answers.map_err(|said| {
            Ending::Refused(format!(
                "{name}: what runs today does not answer, so there is no way back: {said}"
            ))
        })?;
    }
    doubt_tokens(run, flag, &probers);
    announce(run, options, flag, &start);
    let mut way = Way {
        run,
        api,
        flag,
        probers: &probers,
        options,
        file,
        journey: start.journey,
        users: (flag == Flag::NewContainerGateway)
            .then(|| users::counts(run).ok())
            .flatten(),
    };
    let ahead: Vec<_> = way.journey.ahead().collect();
    for (percent, setting) in ahead {
        let Err(failure) = way.step(percent, &setting) else {
            continue;
        };
        return Err(ending(&mut way, failure, about.legacy, percent));
    }
    way.file.keep(flag, None)?;
    let reached = way.journey.reached;
    let text = format!("{name}: done, {reached} % on the new path");
    run.report
        .tell("done", &text, json!({"flag": name, "percent": reached}));
    Ok(())
}

/// Says which users' tokens are refused before anything has been changed. It is no reason to stop: what ran before may ask for another credential.
fn doubt_tokens(run: &Run<'_>, flag: Flag, probers: &Probers) {
    let users = probers.first.iter().chain(&probers.others);
    for user in users.filter(|_| flag == Flag::NewContainerGateway) {
        let Ok(answer) = user.ask(&run.probing, &run.deployment.url) else {
            continue;
        };
        let subject = user.subject.as_ref().map_or("", |subject| subject.as_str());
        if answer.status == 401 {
            let said = answer.brief();
            let text = format!(
                "{}: the token of {subject} is refused before anything was changed ({said}); if it is no good, or has ended, the checks will fail by it",
                flag.name()
            );
            let fields = json!({"flag": flag.name(), "subject": subject, "said": said});
            run.report.tell("token_refused", &text, fields);
        }
    }
}

/// Whether and from where it starts; `None` when there is nothing to do, which has been said.
fn start(
    run: &Run<'_>,
    options: &Forward,
    flag: Flag,
    probers: &Probers,
    about: &About,
    seen: &Seen,
    kept: Option<Journey>,
) -> Result<Option<Start>, Ending> {
    let name = flag.name();
    let (_, subject) = probers.first()?;
    if let Some(mut journey) = kept {
        if journey.resume(seen) == Resume::Changed {
            return Err(Ending::Refused(format!(
                "{name}: a migration was interrupted at {} %, and somebody changed the flag since (it is at version {} now). Look at `molt flags history {name}`; \
                 `molt migrate rollback --flag {name}` goes back, and removing {} begins anew",
                journey.reached,
                seen.version,
                run.deployment.state_file.display()
            )));
        }
        // What is asked now counts for what is still ahead.
        journey.steps = options.steps.clone();
        journey.discard_disk = options.discard_disk;
        return Ok(Some(Start { journey, resumed: true }));
    }
    if options.resume {
        run.report.tell(
            "nothing_to_resume",
            &format!("{name}: no migration was interrupted"),
            json!({"flag": name}),
        );
        return Ok(None);
    }
    let beginning = plan::begin(seen, about.is_on(flag), subject, options.lift_kill);
    let beginning = beginning.map_err(|obstacle| Ending::Refused(format!("{name}: {obstacle}")))?;
    if options.steps.after(beginning.done).next().is_none() {
        let text = format!(
            "{name}: {} % are on the new path already, nothing is to be done",
            beginning.done
        );
        run.report
            .tell("nothing_to_do", &text, json!({"flag": name, "percent": beginning.done}));
        return Ok(None);
    }
    if !about.legacy && !options.allow_outage {
        return Err(Ending::Refused(format!(
            "{name}: nothing is bound as LEGACY, so there is nothing to migrate from, and no way back. Switch it on at once with \
             `molt flags set {name} --percent 100`, or go by steps all the same with --allow-outage"
        )));
    }
    let journey = Journey::new(
        options.steps.clone(),
        seen.clone(),
        beginning.done,
        subject.clone(),
        options.discard_disk,
    );
    Ok(Some(Start {
        journey,
        resumed: false,
    }))
}

fn announce(run: &Run<'_>, options: &Forward, flag: Flag, start: &Start) {
    let name = flag.name();
    let ahead: Vec<u8> = start.journey.ahead().map(|(percent, _)| percent).collect();
    let (event, verb) = if start.resumed {
        ("resumed", "goes on after")
    } else {
        ("begun", "begins at")
    };
    let text = format!(
        "{name}: {verb} {} %; steps {ahead:?}, each watched for {} s, probed as {}",
        start.journey.reached,
        options.watch.as_secs_f64(),
        start.journey.probe.as_str()
    );
    run.report.tell(
        event,
        &text,
        json!({"flag": name, "percent": start.journey.reached, "steps": ahead, "probe": start.journey.probe.as_str()}),
    );
}

/// Says what would be done.
fn rehearse(run: &Run<'_>, options: &Forward, flag: Flag, start: &Start) {
    announce(run, options, flag, start);
    let name = flag.name();
    let tell = |text: &str, fields| run.report.tell("would", &format!("would {text}"), fields);
    for (percent, setting) in start.journey.ahead() {
        let allow: Vec<&str> = setting.allow.iter().map(|subject| subject.as_str()).collect();
        tell(
            &format!(
                "set {name} to {percent} % (allowed: {}), wait for the routers, probe the new path, and watch {} s at most {} % failing",
                if allow.is_empty() {
                    "nobody".into()
                } else {
                    allow.join(", ")
                },
                options.watch.as_secs_f64(),
                options.max_error_rate * 100.0
            ),
            json!({"flag": name, "setting": setting}),
        );
    }
    match plan::undo(start.journey.before.setting.as_ref(), start.journey.discard_disk) {
        plan::Undo::Remove => tell(
            &format!("undo by removing {name}, so that its variable decides as it does now"),
            json!({"flag": name, "undo": null}),
        ),
        plan::Undo::Set(setting) => tell(
            &format!(
                "undo by setting {name} to enabled {}, {} %",
                setting.enabled, setting.percent
            ),
            json!({"flag": name, "undo": setting}),
        ),
    }
}

fn ending(way: &mut Way<'_>, failure: Failure, legacy: bool, percent: u8) -> Ending {
    let name = way.flag.name();
    match failure {
        Failure::Check(why) => undo::undo(way, &why, legacy),
        Failure::Moved => Ending::Stuck(format!(
            "{name}: somebody else changed the flag during the step to {percent} %; it is left as they set it. Look at `molt flags history {name}`"
        )),
        Failure::Refused(why) => Ending::Stuck(format!(
            "{name}: {why}; stopped before {percent} %, with {} % reached",
            way.journey.reached
        )),
        Failure::State(error) => Ending::Stuck(format!("{name}: {error}; stopped in the step to {percent} %")),
        Failure::Interrupted => Ending::Interrupted(format!(
            "{name}: interrupted in the step to {percent} %, {} % reached; the flag is left where it is. The same command goes on; \
             `molt migrate rollback --flag {name}` goes back",
            way.journey.reached
        )),
    }
}
