// Draws a ThumbHash (see thumbhash.py) behind a picture that is still on its way.

import { find } from "./find.js";

const SIDE = 24; // pixels of the longer side; it is blurred anyway

export function blur(root) {
  for (const place of find(root, "[data-blur]")) {
    const picture = place.querySelector("img");
    if (!picture || picture.complete) continue;
    const canvas = place.insertBefore(drawn(place.dataset.blur), place.firstChild);
    const uncover = () => picture.decode().catch(() => {}).finally(() => canvas.remove()); // once it can be painted
    picture.addEventListener("load", uncover, { once: true });
    picture.addEventListener("error", uncover, { once: true });
  }
}

function drawn(placeholder) {
  const canvas = document.createElement("canvas");
  const [width, height, pixels] = decoded(Uint8Array.from(atob(placeholder), (c) => c.charCodeAt(0)));
  Object.assign(canvas, { width, height, className: "blur", ariaHidden: "true" });
  canvas.getContext("2d").putImageData(new ImageData(pixels, width, height), 0, 0);
  return canvas;
}

function decoded(bytes) {
  let at = 0;
  const take = (bits) => {
    let value = 0;
    for (let i = 0; i < bits; i++, at++) value |= ((bytes[at >> 3] >> (at & 7)) & 1) << i;
    return value / (2 ** bits - 1);
  };
  const [light, yellow, red, scale] = [take(6), take(6) * 2 - 1, take(6) * 2 - 1, take(5)];
  const [hides, count, yellows, reds, isWide] = [take(1), Math.round(take(3) * 7), take(6), take(6), take(1)];
  const cover = hides ? [take(4), take(4)] : [1, 0];
  const most = hides ? 5 : 7;
  const [across, down] = isWide ? [most, count] : [count, most];
  const waves = (mean, strongest, columns, lines) => {
    const found = [];
    for (let v = 0; v < lines; v++)
      for (let u = v ? 0 : 1; u * lines < columns * (lines - v); u++)
        found.push([u, v, (take(4) * 2 - 1) * strongest * (u ? 2 : 1) * (v ? 2 : 1)]);
    return (x, y) => found.reduce(
      (sum, [u, v, part]) => sum + part * Math.cos(Math.PI * u * x) * Math.cos(Math.PI * v * y), mean);
  };
  const channels = [
    waves(light, scale, Math.max(3, across), Math.max(3, down)),
    waves(yellow, yellows, 3, 3),
    waves(red, reds, 3, 3),
    hides ? waves(cover[0], cover[1], 5, 5) : () => 1,
  ];
  return painted(channels, across / down);
}

function painted([light, yellow, red, cover], ratio) {
  const width = Math.max(1, Math.round(ratio > 1 ? SIDE : SIDE * ratio));
  const height = Math.max(1, Math.round(ratio > 1 ? SIDE / ratio : SIDE));
  const pixels = new Uint8ClampedArray(width * height * 4);
  for (let i = 0; i < width * height; i++) {
    const [x, y] = [((i % width) + 0.5) / width, (Math.floor(i / width) + 0.5) / height];
    const [l, p, q] = [light(x, y), yellow(x, y), red(x, y)];
    const b = l - (p * 2) / 3;
    const r = (3 * l - b + q) / 2;
    pixels.set([r, r - q, b, cover(x, y)].map((value) => value * 255), i * 4);
  }
  return [width, height, pixels];
}
