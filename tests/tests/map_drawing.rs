//! Drawings of maps as a browser shows them: chains and fans of three to thirty hops, no text over
//! another or out of its box, no box over another, and sheets of paper of their size.

use crate::browser::{browse, folder, measured};
use hopclock_tests::command::run;
use hopclock_tests::{repo, scratch, tool};
use serde_json::Value;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Runs in a page that holds the drawing: what leaves its box, and boxes that touch.
const INSIDE: &str = r#"
const wrong = [], boxes = [];
document.querySelectorAll('g.hop').forEach((hop) => {
  const name = hop.querySelector('title').textContent;
  const box = hop.querySelector('rect').getBoundingClientRect();
  hop.querySelectorAll('text').forEach((text) => {
    const t = text.getBoundingClientRect();
    if (t.left < box.left || t.right > box.right || t.top < box.top - 1 || t.bottom > box.bottom + 1) {
      wrong.push(`outside ${name}: ${text.textContent}`);
    }
  });
  boxes.forEach((b) => {
    if (b.box.left < box.right && box.left < b.box.right && b.box.top < box.bottom && box.top < b.box.bottom) {
      wrong.push(`${name} over ${b.name}`);
    }
  });
  boxes.push({ name, box });
});
const svg = document.querySelector('svg').getBoundingClientRect();
document.querySelectorAll('svg text').forEach((text) => {
  const t = text.getBoundingClientRect();
  if (t.left < svg.left || t.right > svg.right || t.bottom > svg.bottom) wrong.push(`off: ${text.textContent}`);
});
document.querySelectorAll('path.way').forEach((way) => {
  const length = way.getTotalLength(), at = way.getScreenCTM();
  for (let i = 1; i < 200; i++) {
    const p = way.getPointAtLength((length * i) / 200).matrixTransform(at);
    boxes.forEach((b) => {
      const inside = p.x > b.box.left + 1 && p.x < b.box.right - 1;
      if (inside && p.y > b.box.top + 1 && p.y < b.box.bottom - 1) wrong.push(`a line through ${b.name}`);
    });
  }
});
document.body.innerHTML = '';
const pre = document.createElement('pre');
pre.id = 'measured';
pre.textContent = JSON.stringify({ boxes: boxes.length, wrong: [...new Set(wrong)] });
document.body.append(pre);
"#;

const TIMERS: &str =
    "catalogue = [\"linux-ct-tcp-established\", \"linux-ct-tcp-unacknowledged\"]\n";

fn hop(text: &mut String, name: &str, kind: &str, more: &str) {
    let _ = write!(text, "[[hop]]\nname = \"{name}\"\nkind = \"{kind}\"\n{more}");
}

fn path(text: &mut String, name: &str, hops: &[String]) {
    let hops: Vec<String> = hops.iter().map(|hop| format!("\"{hop}\"")).collect();
    let _ = write!(text, "[[path]]\nname = \"{name}\"\nhops = [{}]\n", hops.join(", "));
}

/// One path through so many hops.
fn chain(hops: usize) -> String {
    let mut text = "schema = \"hopclock.hops/1\"\n".to_owned();
    let names: Vec<String> = (0..hops).map(|i| format!("hop-{i}.rack-12.example.net")).collect();
    for (i, name) in names.iter().enumerate() {
        match i {
            0 => hop(&mut text, name, "client", ""),
            i if i + 1 == hops => hop(&mut text, name, "server", ""),
            i if i % 7 == 3 => {
                hop(&mut text, name, "proxy", "catalogue = [\"nginx-proxy-read-timeout\"]\n")
            }
            _ => hop(&mut text, name, "nat", TIMERS),
        }
    }
    path(&mut text, "long", &names);
    text
}

/// Many clients through a pair of boxes to a few servers, and one path around a box.
fn fan(hops: usize) -> String {
    let mut text = "schema = \"hopclock.hops/1\"\n".to_owned();
    let servers = (hops - 4) / 3;
    let clients = hops - 4 - servers;
    for i in 0..clients {
        hop(&mut text, &format!("client-{i}"), "client", "");
    }
    for name in ["egress-1", "egress-2"] {
        hop(&mut text, name, "nat", TIMERS);
    }
    hop(&mut text, "nlb", "balancer", "catalogue = [\"aws-nlb-tcp-idle\"]\n");
    hop(&mut text, "edge", "proxy", "catalogue = [\"envoy-http-idle\", \"envoy-stream-idle\"]\n");
    for i in 0..servers {
        hop(&mut text, &format!("server-{i}"), "server", "");
    }
    for i in 0..clients.max(servers) {
        let (client, server) = (i % clients, i % servers);
        let mut hops = vec![format!("client-{client}"), format!("egress-{}", 1 + i % 2)];
        if i % 3 != 0 {
            hops.push("nlb".to_owned());
        }
        hops.extend(["edge".to_owned(), format!("server-{server}")]);
        path(&mut text, &format!("path-{i}"), &hops);
    }
    text
}

fn drawn(name: &str, text: &str, more: &[&str]) -> String {
    let folder = scratch("map-drawing");
    let file = folder.join(format!("{name}.toml"));
    fs::write(&file, text).unwrap();
    let file = file.display().to_string();
    let args: Vec<&str> =
        ["map", "draw", file.as_str()].into_iter().chain(more.iter().copied()).collect();
    let ran = run(args);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{ran:#?}");
    fs::remove_dir_all(folder).unwrap();
    ran.out
}

/// What is wrong inside a drawing, and how many boxes it has.
fn inside(chromium: &Path, name: &str, svg: &str) -> (u64, Vec<String>) {
    let folder = folder(&format!("map-{name}"));
    let svg = svg.split_once("?>").unwrap().1;
    let page =
        format!("<!doctype html><meta charset=\"utf-8\"><body>{svg}<script>{INSIDE}</script>");
    fs::write(folder.join("page.html"), page).unwrap();
    let printed = browse(chromium, &folder, &["--dump-dom"], "page.html");
    fs::remove_dir_all(folder).unwrap();
    let json =
        printed.split_once("<pre id=\"measured\">").and_then(|(_, t)| t.split_once("</pre>"));
    let json =
        json.map(|(json, _)| json.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"));
    let told: Value = serde_json::from_str(&json.unwrap()).unwrap();
    let wrong = told["wrong"].as_array().unwrap().iter();
    let wrong = wrong.map(|w| w.as_str().unwrap().to_owned()).collect();
    (told["boxes"].as_u64().unwrap(), wrong)
}

#[test]
fn chains_and_fans_of_three_to_thirty_hops_lie_well() {
    let Some(chromium) = tool("chains_and_fans", "chromium") else { return };
    for hops in [3, 12, 30] {
        for (kind, text) in [("chain", chain(hops)), ("fan", fan(hops.max(7)))] {
            for more in [&[][..], &["--wall", "--paper", "a3"]] {
                let name = format!("{kind}-{hops}-{}", more.len());
                let (boxes, wrong) = inside(&chromium, &name, &drawn(&name, &text, more));
                assert_eq!(wrong, Vec::<String>::new(), "{name}");
                let expected = if kind == "fan" { hops.max(7) } else { hops };
                assert_eq!(boxes, expected as u64, "{name}");
            }
        }
    }
}

#[test]
fn each_fault_of_a_drawing_can_be_found() {
    let Some(chromium) = tool("each_fault_of_a_drawing", "chromium") else { return };
    let svg = drawn("faults", &chain(3), &[]);
    let bad = "<g class=\"hop\"><title>bad</title><rect x=\"40\" y=\"110\" width=\"50\" height=\"20\"/>\
               <text x=\"45\" y=\"125\">a text that is much too long for its box</text></g>\
               <text x=\"-20\" y=\"20\">off</text></svg>";
    let (_, wrong) = inside(&chromium, "faults", &svg.replace("</svg>", bad));
    for what in ["outside bad", "bad over hop-0", "off: off"] {
        assert!(wrong.iter().any(|w| w.starts_with(what)), "no {what}: {wrong:#?}");
    }
}

#[test]
fn a_drawing_is_dark_enough_and_no_text_lies_over_another() {
    let Some(chromium) = tool("a_drawing_is_dark_enough", "chromium") else { return };
    for (name, text) in [("chain", chain(12)), ("fan", fan(12))] {
        let svg = drawn(name, &text, &["--wall"]);
        let svg = svg.split_once("?>").unwrap().1;
        // Large enough that no frame makes its texts smaller than they are drawn.
        let page = format!(
            "<!doctype html><html lang=\"en\"><title>m</title><style>svg{{max-width:100%;height:auto}}html{{background:#fff;color:#000}}@media (prefers-color-scheme:dark){{html{{background:#15181c;color:#ececec}}}}</style><main><h1>m</h1>{svg}</main></html>"
        );
        for (width, dark, texts, wrong) in measured(&chromium, &format!("map-{name}"), &page) {
            assert!(texts > 20, "{name}: {texts} texts");
            assert_eq!(wrong, Vec::<String>::new(), "{name}, {width} wide, dark: {dark}");
        }
    }
}

#[test]
fn a_sheet_has_the_size_of_its_paper() {
    let tools = ["chromium", "pdfinfo"].map(|name| tool("a_sheet_has_the_size", name));
    let [Some(chromium), Some(pdfinfo)] = tools else { return };
    let text = fs::read_to_string(repo().join("docs/hops.toml")).unwrap();
    // ISO 216, in points of 1/72 inch, the shorter side first.
    for (paper, short, long) in
        [("a4", 595.0, 842.0), ("a2", 1191.0, 1684.0), ("a0", 2384.0, 3370.0)]
    {
        let svg = drawn("sheet", &text, &["--wall", "--paper", paper]);
        let svg = svg.split_once("?>").unwrap().1;
        let size = svg.split("width=\"").nth(1).unwrap().split('"').next().unwrap();
        let high = svg.split("height=\"").nth(1).unwrap().split('"').next().unwrap();
        let folder = folder(&format!("sheet-{paper}"));
        let page = format!(
            "<!doctype html><style>@page{{size:{size} {high};margin:0}}body{{margin:0}}svg{{display:block}}</style>{svg}"
        );
        fs::write(folder.join("page.html"), page).unwrap();
        browse(
            &chromium,
            &folder,
            &["--no-pdf-header-footer", "--print-to-pdf=page.pdf"],
            "page.html",
        );
        let ran = Command::new(&pdfinfo).arg("page.pdf").current_dir(&folder).output().unwrap();
        let info = String::from_utf8_lossy(&ran.stdout).into_owned();
        fs::remove_dir_all(folder).unwrap();
        let line = info.lines().find_map(|line| line.strip_prefix("Page size:")).unwrap();
        let numbers: Vec<f64> = line.split_whitespace().filter_map(|w| w.parse().ok()).collect();
        let (a, b) = (*numbers.first().unwrap(), *numbers.get(1).unwrap());
        assert!((a.min(b) - short).abs() < 2.0 && (a.max(b) - long).abs() < 2.0, "{paper}: {line}");
        assert!(
            info.lines().any(|line| line.starts_with("Pages:") && line.ends_with(" 1")),
            "{info}"
        );
    }
}

#[test]
fn mermaid_has_every_hop_and_every_step() {
    let text = drawn("mermaid", &fan(12), &["--format", "mermaid"]);
    assert!(text.starts_with("flowchart TB\n"), "{text}");
    assert_eq!(
        text.lines().filter(|l| l.trim_start().starts_with('h') && l.contains("[\"")).count(),
        12
    );
    assert!(text.contains("<b>nlb</b> (balancer)<br/>◇ 350 s"), "{text}");
    let odd = chain(3).replace("hop-1.rack-12.example.net", "a<b>#quot;");
    let text = drawn("odd", &odd, &["--format", "mermaid"]);
    assert!(text.contains("<b>a#lt;b#gt;#35;quot;</b>"), "{text}");
}
