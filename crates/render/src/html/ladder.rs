//! The last connection's packets, as a picture and, for whoever cannot see it, as a table.

use super::escaped;
use super::sources::Sources;
use crate::svg::Canvas;
use hopclock_core::inquest::ladder::{Ladder, Rung};
use hopclock_core::terms::{Role, Side};

const CLIENT: f64 = 300.0;
const HOPS: f64 = 510.0;
const SERVER: f64 = 720.0;
const STEP: f64 = 52.0;
const TOP: f64 = 70.0;

/// Picture and table.
pub(super) fn write(out: &mut String, ladder: &Ladder, id: &str, sources: &Sources) {
    let (flow, host) =
        (escaped(&ladder.flow), ladder.host.as_deref().unwrap_or("a host not named"));
    *out += &format!(
        "<h3>The last connection: {flow}</h3>\n<p class=\"soft\">As the capture on {} saw it; it \
         does not tell whether a packet went further, or who sent what carries an address.</p>\n\
         <figure tabindex=\"0\">{}</figure>\n",
        escaped(host),
        picture(ladder, id)
    );
    *out += "<table><thead><tr><th scope=\"col\" class=\"n\">packet</th><th scope=\"col\">UTC</th>\
             <th scope=\"col\">address of</th><th scope=\"col\">what</th></tr></thead>\n<tbody>\n";
    for rung in &ladder.rungs {
        *out += &format!(
            "<tr><td class=\"n\" data-h=\"packet\">{}</td><td data-h=\"UTC\">{}</td>\
             <td data-h=\"address of\">{}</td><td data-h=\"what\">{}</td></tr>\n",
            sources.packet(&ladder.file, rung.packet),
            escaped(&rung.at),
            from(rung),
            escaped(&rung.says)
        );
    }
    *out += "</tbody></table>\n";
}

const fn from(rung: &Rung) -> &'static str {
    match rung.from {
        Some(Side::Client) => "client",
        Some(Side::Server) => "server",
        None => "not kept",
    }
}

fn picture(ladder: &Ladder, id: &str) -> String {
    let mut canvas = Canvas::default();
    let height = TOP + STEP * ladder.rungs.len() as f64 + 20.0;
    let lanes = [(CLIENT, "client", Role::Client), (HOPS, "hops", Role::Hop)];
    for (x, name, role) in lanes.into_iter().chain([(SERVER, "server", Role::Server)]) {
        canvas.text((x, 24.0), ("h", "middle"), name);
        if ladder.taken_on == Some(role) {
            canvas.text((x, 42.0), ("s", "middle"), "captured here");
        }
        canvas.line("axis", (x, 52.0), (x, height - 10.0));
    }
    let mut y = TOP;
    for rung in &ladder.rungs {
        y += STEP;
        canvas.text((16.0, y - 8.0), ("", "start"), &format!("packet {}", rung.packet));
        let after = format!("+{:.3} s", rung.after_s);
        canvas.text((16.0, y + 9.0), ("s", "start"), &after);
        // Words stand above the arrow, clear of the lanes' lines by a patch of the background.
        let width = crate::svg::width_of(&rung.says).min(400.0);
        let middle = (CLIENT + SERVER) / 2.0;
        canvas.rect("bg", (middle - width / 2.0 - 4.0, y - 22.0), (width + 8.0, 17.0));
        canvas.text((middle, y - 9.0), ("", "middle"), &short(&rung.says));
        let class = if rung.says.ends_with(": the end") { "off" } else { "fit" };
        match rung.from {
            Some(Side::Client) => {
                canvas.line(class, (CLIENT, y), (SERVER, y));
                canvas.path(
                    class,
                    [(-8.0, -5.0), (0.0, 0.0), (-8.0, 5.0)]
                        .into_iter()
                        .map(|(dx, dy)| (SERVER + dx, y + dy)),
                );
            }
            Some(Side::Server) => {
                canvas.line(class, (SERVER, y), (CLIENT, y));
                canvas.path(
                    class,
                    [(8.0, -5.0), (0.0, 0.0), (8.0, 5.0)]
                        .into_iter()
                        .map(|(dx, dy)| (CLIENT + dx, y + dy)),
                );
            }
            None => canvas.line("alt", (CLIENT, y), (SERVER, y)),
        }
    }
    let desc = format!(
        "{} packets between {} and {}; the table below lists them.",
        ladder.rungs.len(),
        ladder.client,
        ladder.server
    );
    canvas.finish(id, height, ("The packets the end is read from", &desc)).inline()
}

fn short(says: &str) -> String {
    const MOST: usize = 54;
    match says.char_indices().nth(MOST) {
        Some((at, _)) => format!("{}…", says.get(..at).unwrap_or(says)),
        None => says.to_owned(),
    }
}
