//! What the table of a box made of a subject's connections: the conntrack model run over the
//! packets a capture kept, under the settings of the host it was taken on.
//!
//! Nothing is said where the model would have to guess: a connection whose opening was not
//! captured, one direction alone, a capture that was cut short. What is withheld is named.

mod way;

use super::super::clocks_seen::whose;
use super::super::evidence::{Cite, Evidence, Weighs};
use super::super::facts::{Content, Facts, Source};
use super::super::numbers::{Replayed, number};
use super::super::subject::{FlowPart, Subject};
use crate::conntrack::account::{Account, Asked, Look, Lost, Place, accounts};
use crate::conntrack::version::JUDGED;
use crate::conntrack::{Settings, Tuple, Verdict, packet::proto};
use crate::dump::conntrack as dump;
use crate::flow::{CaptureReading, How, Mark};
use crate::terms::Role;
use crate::time::Moment;
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// Connections of one subject that are replayed.
const FLOWS_MAX: usize = 40;
/// Dumps compared with the replay, and kinds of oddity told, of one connection.
const TOLD_MAX: usize = 4;
/// By how much a dump may differ from the replay: whole seconds are printed and dumps take a
/// moment; a stamp in whole seconds adds one more.
fn tolerance_s(at: Moment) -> i64 {
    1 + i64::from(at.ns() % 1_000_000_000 == 0)
}
/// The setting without which a dump of sysctls says nothing of the table's timers.
const NEEDED: &str = "nf_conntrack_tcp_timeout_established";

/// What was seen, and what could not be said.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Evidence, for the end of the list.
    pub(super) evidence: Vec<Evidence>,
    /// One sentence for each thing that was withheld.
    pub(super) withheld: Vec<String>,
    /// What the replay of a hop's own capture says of its timer.
    pub(super) timer: Option<Replayed>,
    /// Where measures can be tried.
    pub(super) trials: Vec<Trial>,
}

/// A hop's own capture beside its settings, with connections that the model could follow: what a
/// measure can be tried on.
#[derive(Clone, Debug)]
pub struct Trial {
    /// The capture.
    pub file: String,
    /// The box, in words.
    pub keeper: String,
    /// What it is set to.
    pub place: Place,
    /// The connections.
    pub flows: Vec<Tuple>,
    /// What most of them show: a value of the row `hop-table`.
    pub value: &'static str,
}

/// One box's settings beside one capture.
struct Bench<'a> {
    capture: &'a Source,
    reading: &'a CaptureReading,
    flows: Vec<&'a FlowPart<'a>>,
    /// The box: the first source of its settings.
    at: &'a Source,
    settings: Settings,
    cites: Vec<Cite>,
    how: Standing,
}

/// How capture and settings belong together.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Both from one hop.
    Hop,
    /// Both from one of the ends, whose own table is a hop, too.
    End,
    /// The settings are a hop's, the capture is from elsewhere on the path.
    Supposed,
}

impl Standing {
    const fn kind(self) -> &'static str {
        match self {
            Standing::Hop => "hop-table",
            Standing::End => "end-table",
            Standing::Supposed => "hop-table-supposed",
        }
    }
}

/// Replays the subject's connections at every box whose settings are known.
pub(super) fn observe(subject: &Subject<'_>, facts: &Facts) -> Told {
    let mut told = Told::default();
    for bench in benches(subject, facts) {
        bench.tell(facts, &mut told);
    }
    told.withheld.sort();
    told.withheld.dedup();
    told
}

fn benches<'a>(subject: &'a Subject<'_>, facts: &'a Facts) -> Vec<Bench<'a>> {
    let mut all = Vec::new();
    for (capture, reading) in facts.captures() {
        let seen = subject.flows.iter().chain(&subject.elsewhere);
        let own = seen.filter(|f| f.source.file == capture.file);
        let flows: Vec<&FlowPart<'_>> = own.take(FLOWS_MAX).collect();
        if flows.is_empty() {
            continue;
        }
        let bench = |at: &'a Source, how| {
            let (settings, cites) = settings_of(facts, at)?;
            Some(Bench { capture, reading, flows: flows.clone(), at, settings, cites, how })
        };
        let mut boxes: Vec<&Source> = Vec::new();
        for (at, setting) in facts.settings().filter(|(_, s)| s.short() == NEEDED) {
            if setting.number().is_some() && !boxes.iter().any(|b| one_host(b, at)) {
                boxes.push(at);
            }
        }
        for at in boxes {
            let how = match (one_host(at, capture), at.role) {
                (true, Some(Role::Hop)) => Standing::Hop,
                // An end's table exists only where something asked for it.
                (true, _) if tracks_nothing(facts, at, &flows) => continue,
                (true, _) => Standing::End,
                (false, Some(Role::Hop)) => Standing::Supposed,
                (false, _) => continue,
            };
            all.extend(bench(at, how));
        }
    }
    all
}

/// Whether two inputs are of one host: by name, or by a role that nothing contradicts.
fn one_host(a: &Source, b: &Source) -> bool {
    match (&a.host, &b.host) {
        (Some(one), Some(other)) => one == other,
        _ => a.role.is_some() && a.role == b.role,
    }
}

/// Whether an end's own dumps show an empty table while a connection stood there.
fn tracks_nothing(facts: &Facts, at: &Source, flows: &[&FlowPart<'_>]) -> bool {
    let stood = |when: Moment| {
        flows.iter().any(|f| (f.flow.record.first_ns..f.flow.record.last_ns).contains(&when))
    };
    let own = facts.sources.iter().filter(|s| one_host(s, at));
    let dated = own.filter(|s| s.taken_at.is_some_and(stood));
    let mut empty = dated.filter_map(|s| match &*s.content {
        Content::Conntrack(entries) => Some(entries.is_empty()),
        Content::Sysctl(settings) => {
            let count = settings.iter().find(|s| s.short() == "nf_conntrack_count")?;
            Some(count.number() == Some(0.0))
        }
        _ => None,
    });
    empty.any(|e| e)
}

/// The settings of a host, the latest dump last; and the lines they are from.
fn settings_of(facts: &Facts, at: &Source) -> Option<(Settings, Vec<Cite>)> {
    let mut sources: Vec<&Source> = facts
        .sources
        .iter()
        .filter(|s| matches!(*s.content, Content::Sysctl(_)) && one_host(s, at))
        .collect();
    sources.sort_by_key(|s| s.taken_at);
    let (mut settings, mut cites) = (Settings::default(), Vec::new());
    for source in sources {
        let Content::Sysctl(all) = &*source.content else { continue };
        let mut lines = Vec::new();
        for setting in all.iter().filter(|s| s.short().starts_with("nf_conntrack")) {
            let value = setting.value.parse::<i64>();
            if value.is_ok_and(|value| settings.set(&setting.key, value).is_ok()) {
                lines.push(setting.line);
            }
        }
        cites.push(Cite::lines(&source.file, lines));
    }
    cites.retain(|c| !c.lines.is_empty());
    // The table of a single connection is never full.
    settings.max = None;
    (!cites.is_empty()).then_some((settings, cites))
}

fn tuple_of(t: &dump::Tuple) -> Tuple {
    Tuple { src: t.src, dst: t.dst, sport: t.sport, dport: t.dport, proto: proto::TCP }
}

/// The table's dumps of one box.
fn dumps_of<'f>(
    at: &Source,
    facts: &'f Facts,
) -> impl Iterator<Item = (&'f Source, &'f [dump::Entry])> {
    facts.sources.iter().filter(|s| one_host(s, at)).filter_map(|s| match &*s.content {
        Content::Conntrack(entries) => Some((s, entries.as_slice())),
        _ => None,
    })
}

/// The ends of a connection as its packets arrive, and as its answers do, where the capture shows
/// both sides of a translation.
fn translated(flow: &FlowPart<'_>) -> Option<(Tuple, Tuple)> {
    let there = flow.flow.record.also_known_as.first()?;
    Some((asked(flow).flow, tuple(there.server, there.client)))
}

fn tuple(from: SocketAddr, to: SocketAddr) -> Tuple {
    Tuple { src: from.ip(), dst: to.ip(), sport: from.port(), dport: to.port(), proto: proto::TCP }
}

/// A connection and what the table made of it.
type Replay<'a> = (&'a FlowPart<'a>, &'a Account);

/// A dump of the box's table, with the moment it was taken.
type Dump<'a> = (&'a Source, &'a [dump::Entry], Moment);

impl Bench<'_> {
    /// What is known of the box, and the dated dumps of its table.
    fn place<'f>(&self, facts: &'f Facts) -> (Place, Vec<Dump<'f>>) {
        let mut dumps: Vec<Dump<'f>> = Vec::new();
        // Both sides of a translation in one capture tell it as well as a dump does.
        let seen = self.flows.iter().copied().filter_map(translated);
        let mut place = Place {
            settings: self.settings,
            kernel: JUDGED,
            translations: seen.collect(),
            looks: Vec::new(),
            firewall: way::firewall_of(facts, self.at),
        };
        for (source, entries) in dumps_of(self.at, facts) {
            let tcp = entries.iter().filter(|e| e.protocol == "tcp" && e.remaining_s.is_some());
            for entry in tcp {
                let original = tuple_of(&entry.original);
                let known = place.translations.iter().any(|(o, _)| *o == original);
                if let Some(reply) = entry.reply.filter(|_| !known) {
                    place.translations.push((original, tuple_of(&reply)));
                }
            }
            if let Some(at) = source.taken_at {
                place.looks.push(at);
                dumps.push((source, entries, at));
            }
        }
        place.looks.sort_unstable();
        place.looks.dedup();
        (place, dumps)
    }

    fn tell(&self, facts: &Facts, told: &mut Told) {
        let (capture, keeper) = (&self.capture.file, whose(self.at));
        let mut withhold = |why: &str| {
            told.withheld.push(format!(
                "what the table of {keeper} made of the packets in {capture}: {why}"
            ));
        };
        if self.reading.headers.too_many() {
            return withhold("too many packets to be kept for it; hopclock replay judges them");
        }
        let (place, dumps) = self.place(facts);
        let asked: Vec<Asked> = self.flows.iter().map(|f| asked(f)).collect();
        let found = accounts(&self.reading.headers, &place, &asked);
        let ended = self.flows.iter().copied().zip(&found).filter(|(f, _)| f.ended());
        let (whole, part): (Vec<Replay<'_>>, Vec<Replay<'_>>) =
            ended.partition(|(_, account)| account.is_whole());
        if let Some((_, account)) = part.first() {
            withhold(not_whole(account));
        }
        let mut looks = Agreement::default();
        let dumps = by_time(dumps);
        for ((flow, account), asked) in self.flows.iter().zip(&found).zip(&asked) {
            if account.is_whole() {
                looks.compare(self, (flow, asked), account, &dumps);
            }
        }
        let shown =
            majority(&whole, &looks).filter(|_| self.how == Standing::Hop && looks.differ == 0);
        told.trials.extend(shown.map(|(value, _)| Trial {
            file: capture.clone(),
            keeper: whose(self.at),
            place: place.clone(),
            flows: whole.iter().map(|(flow, _)| ends_of(flow)).collect(),
            value,
        }));
        if let Some((piece, timer)) = self.weighed(&whole, &looks) {
            let relied_on = piece.strength > 0.5 && matches!(piece.weighs, Weighs::Table { .. });
            if self.how == Standing::Hop && relied_on {
                told.timer = Some(timer);
            }
            told.evidence.push(piece);
            told.withheld.push(format!(
                "the kernel of {}: its table was replayed by the rules of Linux {JUDGED}; before 6.1 what is \
                 ignored here was INVALID",
                whose(self.at)
            ));
        }
        if let Some((flow, account)) = whole.first() {
            told.evidence.extend(self.odd(flow, account));
        }
        told.evidence.extend(looks.evidence.into_iter().take(TOLD_MAX));
    }

    /// The one piece that is weighed: what most of the connections that ended show.
    fn weighed(&self, whole: &[Replay<'_>], looks: &Agreement) -> Option<(Evidence, Replayed)> {
        let (value, own) = majority(whole, looks)?;
        let (flow, account) = own.first()?;
        let mut says = match looks.gone.get(&flow.number) {
            Some(gone) if value == "vanished" => self.gone_sentence(gone),
            _ => self.sentence(flow, account, value),
        };
        if own.len() > 1 {
            says += &format!(" ({} connections)", own.len());
        }
        let strength = self.strength(own.iter().map(|(_, a)| *a), looks, &mut says);
        let mut cites: Vec<Cite> = own
            .iter()
            .take(20)
            .map(|(f, a)| Cite::packets(&self.capture.file, packets_of(f, a)))
            .collect();
        cites.extend(self.cites.iter().cloned());
        cites.extend(own.iter().filter_map(|(f, _)| looks.gone.get(&f.number)?.cites()).flatten());
        let weighs = match looks.differ {
            // The dumps are what was printed; a model they contradict proves nothing.
            n if n > 0 => Weighs::Context("table-replay"),
            _ => Weighs::Table { kind: self.how.kind(), value },
        };
        let piece = Evidence::new(weighs, says, cites).on(self.at.host.as_ref()).weaker(strength);
        let ran_out_s = account.lost.as_ref().map(|lost| f64::from(lost.given));
        Some((piece, Replayed { keeper: whose(self.at), ran_out_s }))
    }

    /// How far the replay can be relied on, and why not further.
    fn strength<'x>(
        &self,
        accounts: impl Iterator<Item = &'x Account>,
        looks: &Agreement,
        says: &mut String,
    ) -> f64 {
        let mut strength: f64 = if looks.agree > 0 { 1.0 } else { 0.9 };
        if accounts.map(|a| a.unseen).sum::<u64>() > 0 {
            *says += "; the capture missed packets that were acknowledged, and windows depend on every one";
            strength *= 0.4;
        }
        if self.reading.skipped > 0 || self.reading.lost_bytes > 0 {
            *says += "; the capture is cut, and what is missing could have refreshed it";
            strength *= 0.6;
        }
        if looks.differ > 0 {
            *says += "; dumps of the table differ from the replay, so it is not counted";
        }
        strength
    }

    fn sentence(&self, flow: &FlowPart<'_>, account: &Account, value: &str) -> String {
        let place = whose(self.at);
        let supposed = if self.how == Standing::Supposed {
            format!(", supposing that what {} saw passed there unchanged", whose(self.capture))
        } else {
            String::new()
        };
        let by = account.lost.as_ref().map_or(account.refreshed, |lost| lost.refreshed);
        let refreshed = by.map_or(0, |m| m.packet);
        let given = account.lost.as_ref().map_or(account.given, |lost| lost.given);
        let end = end_of(flow);
        let before = |at: Moment| end.map_or(0.0, |e| e.at.since(at).secs_f64());
        let what = match (value, &account.lost) {
            ("frozen", Some(lost)) => format!(
                "the entry was refreshed last by packet {refreshed}, to {given} s; {} packets after it passed and refreshed \
                 nothing (the first is {}); it was gone {} s before the end{}",
                lost.passed,
                lost.packets.first().copied().unwrap_or(0),
                number(before(lost.at)),
                fits(flow, lost)
            ),
            ("ran-out", Some(lost)) => format!(
                "the entry was refreshed last by packet {refreshed}, to {given} s, nothing came for {} s, and it was \
                 gone {} s before the end{}",
                number(lost.refreshed.map_or(0.0, |m| lost.at.since(m.at).secs_f64())),
                number(before(lost.at)),
                fits(flow, lost)
            ),
            ("refused", _) => format!(
                "packets in the last exchange were INVALID while the entry stood, and left untranslated: {}",
                listed(&account.refused_last)
            ),
            ("vanished", _) => format!(
                "the entry was refreshed by packet {refreshed}, {} s before the end, and {} s remained, yet the \
                 capture shows packets that left untranslated: something other than its timer had taken it away",
                number(account.refreshed.map_or(0.0, |m| before(m.at))),
                account.left_at_end.unwrap_or(0),
            ),
            _ => format!(
                "the entry was refreshed by packet {refreshed}, {} s before the end, and {} s remained: its timer \
                 did not end this connection{}",
                number(account.refreshed.map_or(0.0, |m| before(m.at))),
                account.left_at_end.unwrap_or(0),
                if account.since > 0 {
                    format!(", though {} packets since then refreshed nothing", account.since)
                } else {
                    String::new()
                }
            ),
        };
        format!("the table of {place}, replayed over {}{supposed}: {what}", self.capture.file)
    }

    fn gone_sentence(&self, gone: &Gone) -> String {
        format!(
            "{} printed the entry with {} s left, and {} s later it was not in the table any more, though by the \
             replay over {} {} s remained: something other than its timer had taken it away",
            whose(self.at),
            gone.had_s,
            number(gone.after_s),
            self.capture.file,
            gone.left_s
        )
    }

    /// Packets that did not count, by reason.
    fn odd(&self, flow: &FlowPart<'_>, account: &Account) -> Vec<Evidence> {
        let of = |odd: &crate::conntrack::account::Odd| {
            let verdict = match odd.verdict {
                Verdict::Invalid | Verdict::Drop => "INVALID",
                _ => "ignored",
            };
            let says = format!(
                "in the table of {}, {} packets of {}#{} were {verdict}, the first with \u{201c}{}\u{201d}: {}",
                whose(self.at),
                odd.count,
                flow.source.file,
                flow.number,
                odd.says,
                listed(&odd.packets)
            );
            let cites = vec![Cite::packets(&self.capture.file, odd.packets.iter().copied())];
            Evidence::new(Weighs::Context("table-odd"), says, cites).on(self.at.host.as_ref())
        };
        let told = account.odd.iter().filter(|o| o.verdict != Verdict::Accept);
        told.take(TOLD_MAX).map(of).collect()
    }
}

/// The value most connections show, with those: ends of one kind are one observation.
fn majority<'r, 'a>(
    whole: &'r [Replay<'a>],
    looks: &Agreement,
) -> Option<(&'static str, Vec<&'r Replay<'a>>)> {
    let value = |one: &Replay<'a>| match looks.gone.contains_key(&one.0.number) {
        true => Some("vanished"),
        false => value(one),
    };
    let values: Vec<&'static str> = whole.iter().filter_map(value).collect();
    let count = |v: &'static str| values.iter().filter(|o| **o == v).count();
    let most = *values.iter().max_by_key(|v| count(v))?;
    // Half one thing and half another is no observation.
    if values.iter().any(|v| *v != most && count(v) == count(most)) {
        return None;
    }
    Some((most, whole.iter().filter(|one| value(one) == Some(most)).collect()))
}

/// Dumps of the box beside what the replay has at the same moments.
#[derive(Default)]
struct Agreement {
    agree: usize,
    differ: usize,
    evidence: Vec<Evidence>,
    /// Entries that one dump has and a later one has not, by the flow's number, though the replay
    /// has them at both moments.
    gone: BTreeMap<usize, Gone>,
}

/// An entry that something other than its timer took away, between two dumps.
struct Gone {
    had_s: i64,
    had_in: (String, u64),
    missed_in: String,
    after_s: f64,
    left_s: u32,
}

impl Gone {
    /// The entry's line, and the first of the dump that has it no more.
    fn cites(&self) -> Option<[Cite; 2]> {
        let (file, line) = &self.had_in;
        Some([Cite::lines(file, [*line]), Cite::lines(&self.missed_in, [1])])
    }
}

fn by_time(mut dumps: Vec<Dump<'_>>) -> Vec<Dump<'_>> {
    dumps.sort_by_key(|(_, _, at)| *at);
    dumps
}

impl Agreement {
    fn compare(
        &mut self,
        bench: &Bench<'_>,
        (flow, asked): (&FlowPart<'_>, &Asked),
        account: &Account,
        dumps: &[Dump<'_>],
    ) {
        let mut had: Option<(&Dump<'_>, &dump::Entry, i64)> = None;
        for one in dumps {
            let (source, entries, at) = one;
            let Some(look) = account.looks.iter().find(|l| l.at == *at) else { continue };
            let own = entries.iter().find(|e| is_of(e, &asked.flow));
            let Some(entry) = own else {
                if let (Some(before), Some((left_s, _))) = (had, look.entry)
                    && look.seen
                    && end_of(flow).is_some_and(|end| *at < end.at)
                    && i64::from(left_s) > tolerance_s(*at)
                {
                    let gone = gone(before, one, left_s);
                    self.gone.extend(gone.map(|gone| (flow.number, gone)));
                }
                continue;
            };
            let Some(printed) = entry.remaining_s.and_then(|s| i64::try_from(s).ok()) else {
                continue;
            };
            let agree = agrees(look, printed, entry.tcp_state.as_deref());
            // Beyond the capture's end a difference only says that something came.
            if !agree && !look.seen {
                continue;
            }
            *(if agree { &mut self.agree } else { &mut self.differ }) += 1;
            had = agree.then_some((one, entry, printed));
            if agree {
                self.gone.remove(&flow.number);
            }
            let replayed = look.entry.map_or("no entry".to_owned(), |(left, state)| {
                format!("{left} s{}", state.map_or(String::new(), |s| format!(" in {}", s.name())))
            });
            let says = format!(
                "{} printed {printed} s for {}#{}{} at {}; the replay has {replayed}: they {}",
                whose(bench.at),
                flow.source.file,
                flow.number,
                entry.tcp_state.as_deref().map_or(String::new(), |s| format!(" in {s}")),
                stamp(*at),
                if agree { "agree" } else { "differ" }
            );
            let before = account.refreshed.map(|m| m.packet);
            let cites = vec![
                Cite::lines(&source.file, [entry.line]),
                Cite::packets(&bench.capture.file, account.opened.into_iter().chain(before)),
            ];
            let piece = Evidence::new(Weighs::Context("table-look"), says, cites);
            self.evidence.push(piece.on(bench.at.host.as_ref()));
        }
    }
}

/// An entry that was printed and is not in a later dump of the same command; a dump that asks for
/// something else shows other entries.
fn gone(
    ((source, _, at), entry, had_s): (&Dump<'_>, &dump::Entry, i64),
    (later, _, then): &Dump<'_>,
    left_s: u32,
) -> Option<Gone> {
    let same = source.command.is_some() && source.command == later.command;
    same.then(|| Gone {
        had_s,
        had_in: (source.file.clone(), entry.line),
        missed_in: later.file.clone(),
        after_s: then.since(*at).secs_f64(),
        left_s,
    })
}

fn agrees(look: &Look, printed: i64, state: Option<&str>) -> bool {
    look.entry.is_some_and(|(left, own)| {
        (i64::from(left) - printed).abs() <= tolerance_s(look.at)
            && (state.is_none() || state == own.map(|s| s.name()))
    })
}

/// Whether an entry is the connection's, by its ends before translation or after it.
fn is_of(entry: &dump::Entry, flow: &Tuple) -> bool {
    entry.protocol == "tcp"
        && (tuple_of(&entry.original) == *flow
            || entry.reply.is_some_and(|r| tuple_of(&r).inverse() == Some(*flow)))
}

/// Until when the connection's fate was open. One that ends in silence is told by its first packet
/// without an answer, but its sender tries on, and what those tries met is what ended it.
fn end_of(flow: &FlowPart<'_>) -> Option<Mark> {
    let words = &flow.flow.last_words;
    let silent = flow.how() == How::Silence;
    let tried = words.unanswered.as_ref().filter(|_| silent).map(|u| u.last);
    tried.or(flow.end())
}

/// Client to server, as the capture shows it.
fn ends_of(flow: &FlowPart<'_>) -> Tuple {
    tuple(flow.flow.record.client, flow.flow.record.server)
}

fn asked(flow: &FlowPart<'_>) -> Asked {
    let record = &flow.flow.record;
    Asked {
        flow: ends_of(flow),
        packets: (record.first_packet, record.last_packet),
        end: end_of(flow).filter(|_| flow.ended()),
    }
}

fn value((flow, account): &Replay<'_>) -> Option<&'static str> {
    match &account.lost {
        Some(lost) if lost.passed > 0 => Some("frozen"),
        Some(_) => Some("ran-out"),
        None if !account.refused_last.is_empty() => Some("refused"),
        None if vanished(flow, account) => Some("vanished"),
        None => account.left_at_end.map(|_| "alive"),
    }
}

/// The box let packets through as they came, and the replay has no reason for it: the entry that
/// should have translated them was gone, and no timer of its own took it.
fn vanished(flow: &FlowPart<'_>, account: &Account) -> bool {
    let untranslated = flow.flow.record.untranslated;
    let refused = account.odd.iter().any(|o| o.verdict == Verdict::Invalid);
    untranslated.client + untranslated.server > 0 && !refused && account.left_at_end.is_some()
}

fn not_whole(account: &Account) -> &'static str {
    match (account.opened, account.judged) {
        (_, [0, 0]) => "none of its packets could be judged",
        (None, _) => {
            "the capture begins in the middle of the connection, so the windows its packets are judged by are \
             not known"
        }
        _ => "only one direction was captured, and the table judges each by the other",
    }
}

/// Whether an end is what follows from an entry that is gone.
fn fits(flow: &FlowPart<'_>, lost: &Lost) -> String {
    let met = lost.found_none.as_ref().map_or(String::new(), way::found_none);
    let end = match flow.how() {
        How::Rst | How::Silence => "as the end seen fits",
        _ => "though a connection whose entry is gone seldom ends in a FIN",
    };
    format!("{met}, {end}")
}

fn packets_of(flow: &FlowPart<'_>, account: &Account) -> Vec<u64> {
    let mut packets: Vec<u64> = account.opened.into_iter().collect();
    let by = account.lost.as_ref().map_or(account.refreshed, |lost| lost.refreshed);
    packets.extend(by.map(|m| m.packet));
    if let Some(lost) = &account.lost {
        packets.extend(lost.packets.iter().take(3));
        packets.extend(lost.found_none.as_ref().map(|found| found.packet));
    }
    packets.extend(&account.refused_last);
    packets.extend(end_of(flow).map(|m| m.packet));
    packets
}

/// Packet numbers for a sentence: a few of them.
fn listed(packets: &[u64]) -> String {
    const SHOWN: usize = 6;
    let shown: Vec<String> = packets.iter().take(SHOWN).map(u64::to_string).collect();
    let more = if packets.len() > SHOWN { " \u{2026}" } else { "" };
    let word = if packets.len() == 1 { "packet" } else { "packets" };
    format!("{word} {}{more}", shown.join(", "))
}

fn stamp(at: Moment) -> String {
    let stamp = jiff::Timestamp::from_nanosecond(i128::from(at.ns()));
    stamp.map_or_else(|_| format!("{} ns", at.ns()), |s| format!("{s:.0}"))
}
