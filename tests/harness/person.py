"""A person at a browser: follows redirects, fills in the forms of providers' pages and submits them, by HTTP alone."""
import html.parser
import urllib.parse

import requests


class Forms(html.parser.HTMLParser):
    """The forms of a page: action, method and fields; a submit button with a name is a field of its own."""

    def __init__(self, text):
        super().__init__()
        self.found, self.links = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        a = dict(attributes)
        if tag == "form":
            self.found.append({"action": a.get("action") or "", "method": (a.get("method") or "get").upper(), "fields": {}, "buttons": [], "asked": set()})
        elif tag == "a" and a.get("href"):
            self.links.append(a["href"])
        elif self.found and tag in ("input", "button") and a.get("name"):
            if a.get("type") == "submit" or tag == "button":
                self.found[-1]["buttons"].append((a["name"], a.get("value") or ""))
            elif a.get("type") not in ("checkbox", "radio"):
                self.found[-1]["fields"][a["name"]] = a.get("value") or ""
                if a.get("type") != "hidden" and not a.get("value"):
                    self.found[-1]["asked"].add(a["name"])


class Person:
    def __init__(self, ca, **known):
        """known: what is typed into fields of these names."""
        self.session, self.known, self.seen = requests.Session(), known, []
        self.session.verify, self.session.trust_env = ca, False

    def go(self, url, deny=False, stop="http://127.0.0.1", steps=12):
        """Walks from page to page, until one has no form, or asks what isn't known, or a redirect leads to `stop`: its text, or that address."""
        method, data = "GET", None
        while steps > 0:
            steps -= 1
            answer = self.session.request(method, url, data=data if method == "POST" else None, params=data if method == "GET" else None,
                                          allow_redirects=False, timeout=30)
            self.seen.append((method, url, answer.status_code))
            if answer.is_redirect:
                url, method, data = urllib.parse.urljoin(url, answer.headers["Location"]), "GET", None
                if url.startswith(stop):
                    return url
                continue
            assert answer.status_code < 500, (self.seen, answer.text[:2000])
            forms = [f for f in Forms(answer.text).found if f["fields"] or f["buttons"]]
            if not forms or forms[0]["asked"] - set(self.known):
                return answer.text
            url, method, data = self.fill(url, forms[0], deny)
        raise AssertionError(f"pages without end: {self.seen}\n{answer.text[-3000:]}")

    def fill(self, url, form, deny):
        data = {name: self.known.get(name, value) for name, value in form["fields"].items()}
        buttons = [b for b in form["buttons"] if (b[0] in ("cancel", "abort", "no")) == deny]
        if buttons:
            data[buttons[0][0]] = buttons[0][1]
        return urllib.parse.urljoin(url, form["action"]), form["method"], data
