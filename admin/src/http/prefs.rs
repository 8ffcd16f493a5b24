//! How somebody wants pages to look. Kept in a cookie, so that the server renders it at once.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

/// The cookie: `theme.density.shortcuts.zone`.
pub(crate) const COOKIE: &str = "automate_look";
/// A year, in seconds.
const AGE: u32 = 365 * 24 * 3_600;

/// Light or dark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Theme {
    /// As the system says.
    #[default]
    System,
    /// Light.
    Light,
    /// Dark.
    Dark,
}

impl Theme {
    /// As forms and the style name it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }
}

/// How much room rows take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Density {
    /// 36 px.
    #[default]
    Comfortable,
    /// 28 px.
    Compact,
}

impl Density {
    /// As forms and the style name it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Comfortable => "comfortable",
            Self::Compact => "compact",
        }
    }
}

/// How somebody wants pages to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prefs {
    /// Light or dark.
    pub theme: Theme,
    /// How much room rows take.
    pub density: Density,
    /// The zone of times.
    pub zone: Tz,
    /// Whether single keys are shortcuts.
    pub shortcuts: bool,
}

impl Default for Prefs {
    fn default() -> Self {
        Self { theme: Theme::System, density: Density::Comfortable, zone: Tz::UTC, shortcuts: true }
    }
}

impl Prefs {
    /// Reads what a form or a cookie says; what it does not say, or says wrong, is as it is by itself.
    #[must_use]
    pub fn of(theme: &str, density: &str, shortcuts: &str, zone: &str) -> Self {
        Self {
            theme: match theme {
                "light" => Theme::Light,
                "dark" => Theme::Dark,
                _ => Theme::System,
            },
            density: if density == "compact" { Density::Compact } else { Density::Comfortable },
            zone: zone.parse().unwrap_or(Tz::UTC),
            shortcuts: shortcuts != "off",
        }
    }

    pub(crate) fn read(value: &str) -> Self {
        let mut parts = value.splitn(4, '.');
        let mut next = || parts.next().unwrap_or_default();
        let (theme, density, shortcuts) = (next(), next(), next());
        Self::of(theme, density, shortcuts, &next().replace('!', "/"))
    }

    pub(crate) fn set_cookie(&self, secure: bool) -> String {
        let shortcuts = if self.shortcuts { "on" } else { "off" };
        let (theme, density) = (self.theme.as_str(), self.density.as_str());
        // A slash is fine in a cookie, but not to every parser of them.
        let zone = self.zone.name().replace('/', "!");
        let secure = if secure { "; Secure" } else { "" };
        format!(
            "{COOKIE}={theme}.{density}.{shortcuts}.{zone}; Path=/admin/; Max-Age={AGE}; HttpOnly; SameSite=Lax{secure}"
        )
    }

    /// As [`Prefs::time`], for templates, whose values are references.
    #[must_use]
    pub fn shown(&self, time: &DateTime<Utc>) -> String {
        self.time(*time)
    }

    /// A time in the person's zone: `2026-11-21 18:04:05 CET`.
    #[must_use]
    pub fn time(&self, time: DateTime<Utc>) -> String {
        time.with_timezone(&self.zone).format("%Y-%m-%d %H:%M:%S %Z").to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preferences_go_through_their_cookie() {
        let prefs = Prefs::of("dark", "compact", "off", "Europe/Berlin");
        let cookie = prefs.set_cookie(true);
        let value = cookie.split(['=', ';']).nth(1).unwrap();
        assert_eq!(Prefs::read(value), prefs);
        assert_eq!(Prefs::read(""), Prefs::default());
        assert_eq!(Prefs::read("x.y.z.Nowhere/At all"), Prefs::default());
    }
}
