//! `molt cost` and `molt budget`: what users cost, and how far their agents may go.

use crate::client::{Client, ClientError};
use crate::exec::user as id_of;
use crate::show;
use bytesize::ByteSize;
use clap::{ArgGroup, Args, Subcommand};
use molt_common::api::cost::{Bill, BudgetAnswer, Figure, FleetCost, UserCost, UserCostByDay};
use molt_common::usage::Budget;
use molt_common::usage::day::Day;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Columns of a bill on one line.
const BILL: [&str; 7] = ["", "name", "hours", "requests", "tokens", "at least $", "at most $"];
/// Columns of calls.
const CALLS: [&str; 9] = [
    "provider",
    "key",
    "requests",
    "failed",
    "sent",
    "received",
    "tokens in",
    "tokens out",
    "$",
];

/// Which days.
#[derive(Debug, Args)]
pub struct Cost {
    /// User id or name; everybody when not given
    user: Option<String>,
    /// First day, such as 2026-01-31; thirty days before the last when not given
    #[arg(long, value_parser = day)]
    from: Option<Day>,
    /// Last day; today when not given
    #[arg(long, value_parser = day)]
    to: Option<Day>,
    /// So many days up to today instead
    #[arg(long, conflicts_with_all = ["from", "to"], value_parser = clap::value_parser!(u16).range(1..=366))]
    days: Option<u16>,
    /// Only calls to this provider
    #[arg(long)]
    provider: Option<String>,
}

/// What is to be done with a budget.
#[derive(Debug, Subcommand)]
pub enum BudgetAction {
    /// Shows a user's budget and what of it is used.
    Get {
        /// User id or name
        user: String,
    },
    /// Sets a user's budget as a whole: what is not given is not limited.
    Set(SetBudget),
    /// Takes a user's budget away.
    Clear {
        /// User id or name
        user: String,
    },
}

/// A budget.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("limit").required(true).multiple(true).args(["requests_per_day", "tokens_per_day", "tokens_per_month"])))]
pub struct SetBudget {
    /// User id or name
    user: String,
    /// Calls to providers in a day of UTC
    #[arg(long, value_name = "N")]
    requests_per_day: Option<u64>,
    /// Tokens, in and out, in a day
    #[arg(long, value_name = "N")]
    tokens_per_day: Option<u64>,
    /// Tokens, in and out, in a month
    #[arg(long, value_name = "N")]
    tokens_per_month: Option<u64>,
    /// Per cent of a limit from which on the agent is warned; 80 when not given
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(1..=100))]
    warn_at: Option<u8>,
}

fn day(text: &str) -> Result<Day, String> {
    Day::parse(text).ok_or_else(|| "must be a day such as 2026-01-31".into())
}

fn read<T: DeserializeOwned>(what: &str, answer: &Value) -> Result<T, ClientError> {
    serde_json::from_value(answer.clone()).map_err(|error| ClientError::Unexpected(what.into(), error.to_string()))
}

/// Shows what users cost.
///
/// # Errors
/// See [`ClientError`].
pub fn cost(client: &Client, asked: &Cost, json: bool) -> Result<(), ClientError> {
    let query = asked.query();
    if let Some(given) = &asked.user {
        let path = format!("/api/super/users/{}/cost{query}", id_of(client, given)?);
        let answer = client.get(&path, true)?;
        return if json {
            show::line(&answer.to_string())
        } else {
            of_user(&read("the cost", &answer)?)
        };
    }
    let path = format!("/api/super/cost{query}");
    let mut answer = client.get(&path, true)?;
    // The first page has the total of all; the others add their users.
    answer["users"] = client.list(&path, "users")?.into();
    answer["nextCursor"] = Value::Null;
    if json {
        show::line(&answer.to_string())
    } else {
        fleet(&read("the cost", &answer)?)
    }
}

impl Cost {
    fn query(&self) -> String {
        let provider = self.provider.as_deref().map(crate::client::encoded);
        let parts = [
            ("from", self.from.map(|day| day.to_string())),
            ("to", self.to.map(|day| day.to_string())),
            ("days", self.days.map(|days| days.to_string())),
            ("provider", provider),
        ];
        let given: Vec<String> = parts
            .into_iter()
            .filter_map(|(name, value)| value.map(|value| format!("{name}={value}")))
            .collect();
        if given.is_empty() {
            String::new()
        } else {
            format!("?{}", given.join("&"))
        }
    }
}

fn fleet(cost: &FleetCost) -> Result<(), ClientError> {
    let mut rows: Vec<Value> = cost.users.iter().map(of_one).collect();
    rows.push(line("all", "", &cost.total));
    show::line(&show::table(&BILL, &rows))?;
    calls(&cost.total)?;
    notes(cost.from, cost.to, &cost.total, &cost.rates_read_on)
}

fn of_one(one: &UserCost) -> Value {
    line(&one.user_id.to_string(), &one.name, &one.bill)
}

fn of_user(cost: &UserCostByDay) -> Result<(), ClientError> {
    let mut rows: Vec<Value> = cost
        .days
        .iter()
        .map(|day| line(&day.day.to_string(), "", &day.bill))
        .collect();
    rows.push(line("all", "", &cost.total));
    let columns: Vec<&str> = BILL.into_iter().filter(|name| *name != "name").collect();
    show::line(&show::table(&columns, &rows))?;
    calls(&cost.total)?;
    notes(cost.from, cost.to, &cost.total, &cost.rates_read_on)
}

fn line(what: &str, name: &str, bill: &Bill) -> Value {
    let ms: u64 = bill.containers.iter().filter_map(|one| one.milliseconds.value).sum();
    let requests: u64 = bill.providers.iter().filter_map(|one| one.requests.value).sum();
    let tokens = |one: &molt_common::api::cost::ProviderCost| {
        one.input_tokens.value.unwrap_or(0) + one.output_tokens.value.unwrap_or(0)
    };
    json!({
        "": what, "name": name, "hours": format!("{}.{:02}", ms / 3_600_000, ms % 3_600_000 / 36_000), "requests": requests,
        "tokens": bill.providers.iter().map(tokens).sum::<u64>(),
        "at least $": dollars(&bill.total.at_least_micro_usd), "at most $": dollars(&bill.total.at_most_micro_usd),
    })
}

fn calls(bill: &Bill) -> Result<(), ClientError> {
    if bill.providers.is_empty() {
        return Ok(());
    }
    let bytes = |figure: &Figure| figure.value.map(|bytes| ByteSize::b(bytes).display().iec().to_string());
    let rows: Vec<Value> = bill
        .providers
        .iter()
        .map(|one| {
            json!({
                "provider": one.provider, "key": if one.own_key { "user's" } else { "platform's" }, "requests": one.requests.value,
                "failed": one.failed.value, "sent": bytes(&one.request_bytes), "received": bytes(&one.answer_bytes),
                "tokens in": one.input_tokens.value, "tokens out": one.output_tokens.value, "$": dollars(&one.micro_usd),
            })
        })
        .collect();
    show::line("")?;
    show::line(&show::table(&CALLS, &rows))
}

fn notes(from: Day, to: Day, bill: &Bill, rates: &str) -> Result<(), ClientError> {
    show::line("")?;
    show::line(&format!(
        "{from} to {to} (UTC). Hours, requests, bytes and tokens are measured; dollars are estimated with rates of {rates}."
    ))?;
    match &bill.total.at_most_micro_usd.note {
        Some(note) => show::line(&format!("The totals are {note}.")),
        None => Ok(()),
    }
}

/// Millionths of a dollar as dollars.
fn dollars(figure: &Figure) -> String {
    match figure.value {
        Some(micros) => format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000),
        None => "-".into(),
    }
}

/// Shows or changes a budget.
///
/// # Errors
/// See [`ClientError`].
pub fn budget(client: &Client, action: &BudgetAction, json: bool) -> Result<(), ClientError> {
    let path = |given: &str| Ok::<_, ClientError>(format!("/api/super/users/{}/budget", id_of(client, given)?));
    let answer = match action {
        BudgetAction::Get { user } => client.get(&path(user)?, true)?,
        BudgetAction::Clear { user } => client.delete(&path(user)?)?,
        BudgetAction::Set(asked) => {
            let budget = Budget {
                requests_per_day: asked.requests_per_day,
                tokens_per_day: asked.tokens_per_day,
                tokens_per_month: asked.tokens_per_month,
                warn_at_percent: asked.warn_at,
            };
            client.change("PUT", &path(&asked.user)?, None, Some(&json!(budget)))?
        }
    };
    if json {
        return show::line(&answer.to_string());
    }
    standing(&read("the budget", &answer)?)
}

fn standing(answer: &BudgetAnswer) -> Result<(), ClientError> {
    let limits = answer.budget.clone().unwrap_or_default();
    let row = |what: &str, used: u64, limit: Option<u64>, resets: &str| {
        let limit = limit.map_or("unlimited".into(), |limit| limit.to_string());
        json!({"what": what, "used": used, "limit": limit, "counted anew": resets})
    };
    let used = &answer.used;
    let (day, month) = (&answer.day_resets_at, &answer.month_resets_at);
    let rows = [
        row("requests today", used.requests_today, limits.requests_per_day, day),
        row("tokens today", used.tokens_today, limits.tokens_per_day, day),
        row(
            "tokens this month",
            used.tokens_this_month,
            limits.tokens_per_month,
            month,
        ),
    ];
    show::line(&show::table(&["what", "used", "limit", "counted anew"], &rows))?;
    match &answer.warning {
        Some(warning) => show::line(&format!("look at: {warning}")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::{dollars, line};
    use molt_common::api::cost::{Bill, CallSums, RunSums};

    #[test]
    fn a_bill_is_one_line_in_dollars_and_hours() {
        let calls = CallSums {
            provider: "p".into(),
            requests: 2,
            input_tokens: 5,
            output_tokens: 7,
            ..CallSums::default()
        };
        let bill = Bill::of(&[calls], &[RunSums { tier: 1, ms: 5_400_000 }], 0);
        let row = line("all", "", &bill);
        assert_eq!((&row["hours"], &row["tokens"]), (&"1.50".into(), &12.into()));
        assert_eq!(row["at least $"], "0.057024");
        assert_eq!(row["at most $"], "0.111024");
        assert_eq!(dollars(&bill.providers[0].micro_usd), "-");
    }
}
