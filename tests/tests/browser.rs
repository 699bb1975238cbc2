//! The page as a browser lays it out: nothing wider than the window, no text over another, enough
//! contrast in light and in dark, links and headings in order, and A4 on paper.

use hopclock_tests::command::run;
use hopclock_tests::{repo, scratch, tool};
use serde_json::Value;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const EXAMPLES: [&str; 3] = ["egress-12h", "nat-expiry", "egress-12h-no-capture"];
const WIDTHS: [u64; 3] = [360, 768, 1280];
const MEASURE: &str = include_str!("browser/measure.js");

/// A folder below the target folder, for one test; the caller removes it.
pub fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("browser-{name}"));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// The page and the text report of an example.
fn made(example: &str) -> (String, String) {
    let folder = scratch("browser");
    let file = folder.join("report.html");
    let ran = run(["diagnose", &format!("examples/{example}"), "--html", file.to_str().unwrap()]);
    assert!(matches!(ran.code, Some(0 | 4)), "{ran:#?}");
    let page = fs::read_to_string(&file).unwrap();
    fs::remove_dir_all(folder).unwrap();
    (page, ran.out)
}

/// What chromium prints when it is given these options and a file in `folder`.
pub fn browse(chromium: &Path, folder: &Path, options: &[&str], file: &str) -> String {
    let mut command = Command::new(chromium);
    let profile = folder.join("profile");
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"]);
    command.args(["--disable-dev-shm-usage", "--hide-scrollbars"]);
    command.arg(format!("--user-data-dir={}", profile.display())).args(options);
    command.arg(format!("file://{}", folder.join(file).display())).current_dir(folder);
    let ran = command.output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8_lossy(&ran.stdout).into_owned()
}

/// The page in frames of each width, in light and in dark, and how many texts and what is wrong.
pub fn measured(chromium: &Path, name: &str, page: &str) -> Vec<(u64, bool, u64, Vec<String>)> {
    let light = page.replace("(prefers-color-scheme:dark)", "not all");
    let dark = page.replace("(prefers-color-scheme:dark)", "all");
    let mut outer = "<!doctype html><meta charset=\"utf-8\"><body>".to_owned();
    for (page, scheme) in [(light, "light"), (dark, "dark")] {
        let page = page.replace('&', "&amp;").replace('"', "&quot;");
        for width in WIDTHS {
            outer += &format!(
                "<iframe title=\"{scheme}\" style=\"border:0;width:{width}px;height:900px\" \
                 srcdoc=\"{page}\"></iframe>"
            );
        }
    }
    let folder = folder(name);
    fs::write(folder.join("outer.html"), format!("{outer}<script>{MEASURE}</script>")).unwrap();
    let options = ["--dump-dom", "--virtual-time-budget=5000"];
    let printed = browse(chromium, &folder, &options, "outer.html");
    fs::remove_dir_all(folder).unwrap();
    let json =
        printed.split_once("<pre id=\"measured\">").and_then(|(_, t)| t.split_once("</pre>"));
    assert!(json.is_some(), "{name}: nothing measured: {printed}");
    let json = json.unwrap().0.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    let frames: Result<Vec<Value>, _> = serde_json::from_str(&json);
    assert!(frames.is_ok(), "{name}: {json}");
    let frames = frames.unwrap();
    let read = |f: &Value| {
        let asked = f.get("frame").unwrap() == "dark";
        let is = f.get("dark").unwrap().as_bool().unwrap();
        assert_eq!(asked, is, "{name}: the scheme asked for is not the one shown");
        let wrong = f.get("wrong").unwrap().as_array().unwrap();
        let wrong = wrong.iter().map(|w| w.as_str().unwrap().to_owned()).collect();
        let number = |key: &str| f.get(key).unwrap().as_u64().unwrap();
        (number("width"), is, number("texts"), wrong)
    };
    frames.iter().map(read).collect()
}

#[test]
fn nothing_is_too_wide_too_pale_or_over_another() {
    let Some(chromium) = tool("browser", "chromium") else { return };
    for example in EXAMPLES {
        let frames = measured(&chromium, example, &made(example).0);
        assert_eq!(frames.len(), 2 * WIDTHS.len());
        for (width, dark, texts, wrong) in frames {
            assert!(WIDTHS.contains(&width) && texts > 200, "{example}: {width}: {texts} texts");
            assert_eq!(wrong, Vec::<String>::new(), "{example}, {width} wide, dark: {dark}");
        }
    }
}

#[test]
fn each_measure_can_fail() {
    let Some(chromium) = tool("each_measure_can_fail", "chromium") else { return };
    let bad = "<p style=\"position:absolute;top:0;left:0;line-height:1;height:20em\">\
               over<br>and<br>over<br>and<br>over</p><div style=\"width:2000px\">wide</div>\
               <p style=\"color:#888;background:#777\">grey</p><a href=\"#nowhere\">dead</a>\
               <h5>deep</h5></main>";
    let page = made("nat-expiry").0.replace("</main>", bad);
    for (width, dark, _, wrong) in measured(&chromium, "bad", &page) {
        let found = |what: &str| wrong.iter().any(|w| w.starts_with(what));
        for what in ["overlap: ", "wide: ", "contrast 1.", "dead link: #nowhere", "heading 5"] {
            assert!(found(what), "{width} wide, dark: {dark}: no {what}: {wrong:#?}");
        }
    }
}

/// A text without its line breaks and blanks: a browser breaks lines where it likes.
fn squeezed(text: &str) -> String {
    text.split_whitespace().collect()
}

/// What is wrong with the page on paper, held against the text report of the same evidence.
fn on_paper(tools: &[PathBuf; 3], name: &str, page: &str, text: &str) -> Vec<String> {
    let [chromium, pdfinfo, pdftotext] = tools;
    let folder = folder(&format!("paper-{name}"));
    fs::write(folder.join("page.html"), page).unwrap();
    let options = ["--no-pdf-header-footer", "--print-to-pdf=page.pdf"];
    browse(chromium, &folder, &options, "page.html");
    let read = |program: &Path, args: &[&str]| {
        let ran = Command::new(program).args(args).current_dir(&folder).output().unwrap();
        assert!(ran.status.success(), "{ran:?}");
        String::from_utf8_lossy(&ran.stdout).into_owned()
    };
    let info = read(pdfinfo, &["page.pdf"]);
    let size = info.lines().find_map(|line| line.strip_prefix("Page size:")).unwrap();
    let printed = squeezed(&read(pdftotext, &["page.pdf", "-"]));
    fs::remove_dir_all(folder).unwrap();
    // The answer's first sentence, the letter's last line, and what is folded on the screen.
    let answer = text.split("\n\n").nth(1).unwrap();
    let folded =
        page.split("<li>not by ").nth(1).and_then(|t| t.split('&').next()?.split('<').next());
    let letter = text.contains("Thank you.").then_some("Thank you.");
    let wanted = [Some(answer), letter, folded].into_iter().flatten();
    let missing = wanted.filter(|part| !printed.contains(&squeezed(part)));
    let mut wrong: Vec<String> = missing.map(|part| format!("not printed: {part}")).collect();
    if !size.contains("(A4)") {
        wrong.push(format!("size: {size}"));
    }
    wrong
}

#[test]
fn on_paper_it_is_a4_and_whole() {
    let tools = ["chromium", "pdfinfo", "pdftotext"].map(|name| tool("on_paper", name));
    let [Some(chromium), Some(pdfinfo), Some(pdftotext)] = tools else { return };
    let tools = [chromium, pdfinfo, pdftotext];
    for example in EXAMPLES {
        let (page, text) = made(example);
        assert!(page.contains("<li>not by "), "{example}: nothing folded to look for");
        assert_eq!(on_paper(&tools, example, &page, &text), Vec::<String>::new(), "{example}");
    }
    let (page, text) = made("egress-12h");
    assert!(text.contains("Thank you."), "no letter to look for");
    let bad = page.replace("size:A4", "size:A5").replace(
        "</head>",
        "<style>@media print{\
        details::details-content{display:none}.answer,pre{display:none}}</style></head>",
    );
    let wrong = on_paper(&tools, "bad", &bad, &text);
    assert_eq!(wrong.len(), 4, "{wrong:#?}");
}

/// A digest (FNV-1a, 64 bits) of what the README's picture shows: the page with its style, to the
/// end of the first picture in it.
fn shown(page: &str) -> String {
    let top = page.split("</figure>").next().unwrap();
    let digest = top.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |digest, byte| {
        (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{digest:016x}\n")
}

#[test]
fn the_picture_in_the_readme_is_of_the_present_page() {
    let (picture, sum) = (repo().join("docs/report.png"), repo().join("docs/report.png.sum"));
    let page = made("egress-12h").0;
    if env::var_os("HOPCLOCK_BLESS").is_some() {
        let Some(chromium) = tool("the_picture_in_the_readme", "chromium") else { return };
        let folder = folder("picture");
        fs::write(folder.join("page.html"), &page).unwrap();
        browse(
            &chromium,
            &folder,
            &["--window-size=1000,1220", "--screenshot=page.png"],
            "page.html",
        );
        // Smaller where there is a program for it; as it is where there is none.
        let small = Command::new("pngquant")
            .args(["--strip", "-o", "small.png", "32", "page.png"])
            .current_dir(&folder)
            .status();
        let made = if small.is_ok_and(|s| s.success()) { "small.png" } else { "page.png" };
        fs::copy(folder.join(made), &picture).unwrap();
        fs::write(&sum, shown(&page)).unwrap();
        fs::remove_dir_all(folder).unwrap();
    }
    let bytes = fs::read(&picture).unwrap();
    assert!(bytes.starts_with(b"\x89PNG\r\n\x1a\n"), "docs/report.png is no PNG");
    assert!(bytes.len() < 150_000, "docs/report.png: {} bytes", bytes.len());
    assert_eq!(
        fs::read_to_string(&sum).unwrap(),
        shown(&page),
        "docs/report.png shows another page than today's: with chromium installed, run the tests \
         with HOPCLOCK_BLESS=1 and look at the picture"
    );
    let readme = fs::read_to_string(repo().join("README.md")).unwrap();
    assert!(readme.contains("](docs/report.png)"), "the README does not show docs/report.png");
}
