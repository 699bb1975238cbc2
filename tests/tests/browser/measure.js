// Runs in a page that holds the measured ones as frames: what is wrong with each, as JSON.
'use strict';
function colour(text) {
  const [r, g, b, a = 1] = text.match(/[\d.]+/g).map(Number);
  return { rgb: [r, g, b], a };
}
// Relative luminance and contrast as WCAG 2.2 defines them.
function luminance(rgb) {
  const part = rgb.map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
  return 0.2126 * part[0] + 0.7152 * part[1] + 0.0722 * part[2];
}
function contrast(one, other) {
  const [a, b] = [luminance(one), luminance(other)];
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}
function behind(view, element) {
  const patch = element.closest('svg')?.querySelector('rect.bg');
  if (patch) return colour(view.getComputedStyle(patch).fill).rgb;
  for (let at = element; at; at = at.parentElement) {
    const found = colour(view.getComputedStyle(at).backgroundColor);
    if (found.a === 1) return found.rgb;
  }
  return [255, 255, 255];
}
function leaves(doc) {
  const found = [];
  const walk = doc.createTreeWalker(doc.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const element = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || element.closest('title,desc,style,script')) continue;
    const range = doc.createRange();
    range.selectNodeContents(walk.currentNode);
    const boxes = element.closest('svg') ? [element.getBoundingClientRect()] : [...range.getClientRects()];
    // What waits beyond the left edge is for readers who hear the page.
    const seen = boxes.filter((b) => b.right > 0 && b.width > 0.5 && b.height > 0.5);
    if (seen.length) found.push({ element, text: walk.currentNode.data.trim().slice(0, 40), boxes: seen });
  }
  return found;
}
function overlaps(texts) {
  const boxes = texts.flatMap((t) => t.boxes.map((box) => ({ box, text: t.text })));
  boxes.sort((a, b) => a.box.top - b.box.top);
  const found = [];
  boxes.forEach((a, n) => {
    for (let m = n + 1; m < boxes.length && boxes[m].box.top < a.box.bottom - 2; m++) {
      const b = boxes[m];
      if (Math.min(a.box.right, b.box.right) - Math.max(a.box.left, b.box.left) > 2) {
        found.push(`overlap: "${a.text}" and "${b.text}"`);
      }
    }
  });
  return found;
}
function pale(view, texts) {
  return texts.flatMap(({ element, text }) => {
    const style = view.getComputedStyle(element);
    const ink = colour(element.closest('svg') ? style.fill : style.color).rgb;
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const ratio = contrast(ink, behind(view, element));
    return ratio < (large ? 3 : 4.5) ? [`contrast ${ratio.toFixed(2)}: "${text}"`] : [];
  });
}
function structure(doc) {
  const found = [];
  for (const a of doc.querySelectorAll('a[href^="#"]')) {
    const to = a.getAttribute('href').slice(1);
    if (!doc.getElementById(to)) found.push(`dead link: #${to}`);
  }
  let level = 0;
  for (const heading of doc.querySelectorAll('h1,h2,h3,h4,h5,h6')) {
    const own = Number(heading.tagName[1]);
    if (own > level + 1) found.push(`heading ${own} after ${level}: "${heading.textContent}"`);
    level = own;
  }
  return found;
}
function measure(frame) {
  const [view, doc] = [frame.contentWindow, frame.contentDocument];
  for (const closed of doc.querySelectorAll('details')) closed.open = true;
  const root = doc.documentElement;
  const texts = leaves(doc);
  const wide = root.scrollWidth > root.clientWidth ? [`wide: ${root.scrollWidth} of ${root.clientWidth}`] : [];
  const wrong = [...wide, ...overlaps(texts), ...pale(view, texts), ...structure(doc)];
  const dark = luminance(colour(view.getComputedStyle(root).backgroundColor).rgb) < 0.2;
  return { frame: frame.title, width: frame.clientWidth, dark, texts: texts.length, wrong };
}
addEventListener('load', () => {
  const pre = document.createElement('pre');
  const frames = [...document.querySelectorAll('iframe')];
  try {
    pre.textContent = JSON.stringify(frames.map(measure));
  } catch (error) {
    pre.textContent = `${error}`;
  }
  pre.id = 'measured';
  document.body.replaceChildren(pre);
});
