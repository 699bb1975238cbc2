//! A site's own timers, beside the catalogue's: a file in the same form, with the owner in each
//! row and only what a site knows required. A row that names a timer of the catalogue by its id
//! stands in its place.

use super::{Catalogue, Clock, OnExpiry, Owner, Refreshes};
use crate::terms::Anchor;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    clock: Vec<Row>,
}

/// As [`Clock`], and what may be left out.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    id: String,
    product: String,
    owner: Owner,
    setting: String,
    default_s: Option<f64>,
    #[serde(default)]
    typical_s: Vec<f64>,
    range: Option<String>,
    jitter: Option<String>,
    versions: Option<String>,
    anchor: Anchor,
    on_expiry: Option<OnExpiry>,
    #[serde(default)]
    refreshed_by: String,
    tcp_keepalive_refreshes: Option<Refreshes>,
    http2_ping_refreshes: Option<Refreshes>,
    source: Option<String>,
    #[serde(default)]
    note: String,
}

impl Row {
    fn clock(self, file: &str) -> Result<Clock, String> {
        let clock = Clock {
            id: self.id,
            product: self.product,
            owner: self.owner,
            setting: self.setting,
            default_s: self.default_s,
            typical_s: self.typical_s,
            range: self.range,
            jitter: self.jitter,
            versions: self.versions,
            anchor: self.anchor,
            on_expiry: self.on_expiry.unwrap_or(OnExpiry::Unknown),
            refreshed_by: self.refreshed_by,
            tcp_keepalive_refreshes: self.tcp_keepalive_refreshes.unwrap_or(Refreshes::Unknown),
            http2_ping_refreshes: self.http2_ping_refreshes.unwrap_or(Refreshes::Unknown),
            source: self.source.or_else(|| Some(file.to_owned())),
            note: self.note,
        };
        if clock.id.trim().is_empty() {
            return Err("a clock has an empty id".to_owned());
        }
        if !clock.values_s().all(|s| s.is_finite() && s > 0.0) || clock.values_s().next().is_none()
        {
            return Err(format!("{}: default_s or typical_s must be seconds above 0", clock.id));
        }
        Ok(clock)
    }
}

impl Catalogue {
    /// Adds a site's own timers (TOML, `[[clock]]` rows) read from `file`; how many.
    ///
    /// # Errors
    ///
    /// One sentence on the first row that is no timer; the catalogue is then as before.
    pub fn add(&mut self, text: &str, file: &str) -> Result<usize, String> {
        let parsed: File = toml::from_str(text)
            .map_err(|e| e.to_string().lines().map(str::trim).collect::<Vec<_>>().join(" "))?;
        let rows: Result<Vec<Clock>, String> =
            parsed.clock.into_iter().map(|row| row.clock(file)).collect();
        let rows = rows?;
        let added = rows.len();
        for clock in rows {
            match self.clocks.iter_mut().find(|known| known.id == clock.id) {
                Some(known) => *known = clock,
                None => self.clocks.push(clock),
            }
        }
        Ok(added)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "[[clock]]\nid = \"edge-idle\"\nproduct = \"our edge\"\nowner = \"proxy\"\n\
        setting = \"idle\"\ndefault_s = 437\nanchor = \"idle-app\"\n";

    #[test]
    fn a_row_is_added_and_a_known_id_is_replaced() {
        let mut catalogue = Catalogue::builtin().unwrap();
        let before = catalogue.all().len();
        assert_eq!(catalogue.add(OWN, "site.toml"), Ok(1));
        let own = catalogue.by_id("edge-idle").unwrap();
        assert_eq!((own.default_s, own.source.as_deref()), (Some(437.0), Some("site.toml")));
        assert_eq!(catalogue.all().len(), before + 1);
        catalogue.add(&OWN.replace("437", "500"), "site.toml").unwrap();
        assert_eq!(catalogue.by_id("edge-idle").unwrap().default_s, Some(500.0));
        assert_eq!(catalogue.all().len(), before + 1);
    }

    #[test]
    fn what_is_no_timer_is_said_and_nothing_is_added() {
        let mut catalogue = Catalogue::default();
        for (text, says) in [
            (OWN.replace("437", "-1"), "above 0"),
            (OWN.replace("default_s = 437\n", ""), "above 0"),
            (OWN.replace("\"proxy\"", "\"prxy\""), "prxy"),
            (OWN.replace("setting", "sting"), "sting"),
            ("no".to_owned(), "TOML"),
        ] {
            let why = catalogue.add(&text, "site.toml").unwrap_err();
            assert!(why.contains(says) && !why.contains('\n'), "{why}");
        }
        assert!(catalogue.all().is_empty());
    }
}
