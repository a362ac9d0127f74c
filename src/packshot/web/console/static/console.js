// Adds to the pages what only a script can. Each part finds its own elements, now and whenever
// a piece of the page is replaced by a newer one.

import { blur } from "./blur.js";
import { compare } from "./compare.js";
import { copy } from "./copy.js";
import { follow } from "./live.js";
import { strip } from "./strip.js";
import { theme } from "./theme.js";

const dress = (root) => [blur, compare, copy, strip, theme].forEach((part) => part(root));

dress(document);
follow(dress);
