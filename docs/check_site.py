"""Check a built site: every link within it leads somewhere, every picture has a text, nothing comes from elsewhere.

``python docs/check_site.py OUT`` prints what is wrong, and the number of pages.
"""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADED = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src"}  # what a page brings along


class Page(HTMLParser):
    """The links, the anchors and the pictures of a page."""

    def __init__(self, path):
        super().__init__()
        self.links, self.loads, self.anchors, self.problems = [], [], {""}, []
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag, attrs):
        """Take note of what a tag names, and of what it lacks."""
        found = dict(attrs)
        self.anchors.update(value for name in ("id", "name") if (value := found.get(name)))
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        if tag in LOADED and found.get("rel") != "canonical" and (place := found.get(LOADED[tag])):
            self.loads.append(place)
        if tag == "img" and not found.get("alt") and "thumb" not in found.get("src", ""):  # those have a title beside
            self.problems.append(f"a picture without a text: {found.get('src')}")
        if tag == "svg" and found.get("role") == "img" and not found.get("aria-label"):
            self.problems.append("a diagram without a text")


def check(out):
    """Return the pages of a site, and what is wrong with them."""
    pages = {path: Page(path) for path in sorted(out.rglob("*.html"))}
    problems = [f"{path}: {problem}" for path, page in pages.items() for problem in page.problems]
    for path, page in pages.items():
        for link in [*page.links, *page.loads]:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                if link in page.loads and parts.scheme != "data":
                    problems.append(f"{path}: brings along {link}")
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            there = pages.get(target)
            if not target.is_file():
                problems.append(f"{path}: {link} leads nowhere")
            elif there and parts.fragment and unquote(parts.fragment) not in there.anchors:
                problems.append(f"{path}: {link} leads to no such place in the page")
    return pages, problems


if __name__ == "__main__":
    pages, problems = check(Path(sys.argv[1]).resolve())
    print(*sorted(set(problems)), sep="\n", end="\n" if problems else "")
    print(f"{len(pages)} pages, {len(problems)} problems")
    sys.exit(bool(problems) or not pages)
