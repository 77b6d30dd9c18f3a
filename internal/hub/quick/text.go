package quick

import (
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// maxDepth is how deep a value may be nested; deeper ones are left to encoding/json.
const maxDepth = 200

// text is read from its beginning to its end. It gives up once and for all: nothing that was read counts then.
type text struct {
	s  string
	at int
	// failed is that it gave up.
	failed bool
}

func (t *text) giveUp() { t.failed = true }

// next is the next byte; 0 at the end, and when it gave up.
func (t *text) next() byte {
	if t.failed || t.at >= len(t.s) {
		return 0
	}
	return t.s[t.at]
}

// takes tells whether a text comes next, and goes behind it.
func (t *text) takes(what string) bool {
	if t.failed || !strings.HasPrefix(t.s[t.at:], what) {
		return false
	}
	t.at += len(what)
	return true
}

// expect gives up when a text does not come next.
func (t *text) expect(what string) {
	if !t.takes(what) {
		t.giveUp()
	}
}

// object reads an object, each field once: what reads one tells whether it knows it.
func (t *text) object(field func(key string) bool) {
	t.expect("{")
	if t.takes("}") {
		return
	}
	var seen [32]string
	for n := 0; !t.failed; n++ {
		key := t.quoted()
		t.expect(":")
		if n == len(seen) {
			t.giveUp()
			return
		}
		for _, before := range seen[:n] {
			if before == key {
				t.giveUp()
				return
			}
		}
		seen[n] = key
		if !field(key) {
			t.giveUp()
			return
		}
		if !t.takes(",") {
			break
		}
	}
	t.expect("}")
}

// plain is for each byte whether a string may have it as it is. Those of other characters than ASCII's are looked at again.
var plain = func() (is [256]bool) {
	for c := range is {
		is[c] = c >= ' ' && c != '"' && c != '\\'
	}
	return is
}()

// quoted reads a string. It may be a part of the text.
func (t *text) quoted() string {
	t.expect(`"`)
	if t.failed {
		return ""
	}
	start := t.at
	ascii := byte(0)
	i := start
	for ; i < len(t.s) && plain[t.s[i]]; i++ {
		ascii |= t.s[i]
	}
	if i < len(t.s) && t.s[i] == '"' {
		t.at = i + 1
		s := t.s[start:i]
		if ascii >= utf8.RuneSelf && !utf8.ValidString(s) {
			t.giveUp()
		}
		return s
	}
	return t.unescaped(start)
}

// escapes are the characters that stand after a backslash for another one.
var escapes = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// unescaped reads a string that begins at start and has escaped characters.
func (t *text) unescaped(start int) string {
	var b []byte
	i, done := start, start
	for ; i < len(t.s) && t.s[i] != '"'; i++ {
		switch {
		case t.s[i] < ' ':
			t.giveUp()
			return ""
		case t.s[i] != '\\':
			continue
		case i+1 >= len(t.s):
			t.giveUp()
			return ""
		}
		b = append(b, t.s[done:i]...)
		i++
		if c := escapes[t.s[i]]; c != 0 {
			b = append(b, c)
		} else if r, is := t.codepoint(i); is {
			b = utf8.AppendRune(b, r)
			i += 4
		} else {
			t.giveUp()
			return ""
		}
		done = i + 1
	}
	if i >= len(t.s) {
		t.giveUp()
		return ""
	}
	b = append(b, t.s[done:i]...)
	t.at = i + 1
	if !utf8.Valid(b) {
		t.giveUp()
	}
	return string(b)
}

// codepoint is what uXXXX stands for; false of the halves of one.
func (t *text) codepoint(at int) (r rune, is bool) {
	if t.s[at] != 'u' || at+4 >= len(t.s) {
		return 0, false
	}
	for _, c := range []byte(t.s[at+1 : at+5]) {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, utf8.ValidRune(r)
}

// own reads a string that is no part of the text, which can be forgotten then.
func (t *text) own() string { return strings.Clone(t.quoted()) }

func (t *text) bool() bool {
	if t.takes("true") {
		return true
	}
	t.expect("false")
	return false
}

// one reads the number 1, and tells whether it is that.
func (t *text) one() bool { return t.number() == "1" }

// number reads one as it is written.
func (t *text) number() json.Number {
	start := t.at
	t.takes("-")
	if !t.takes("0") {
		t.digits()
	}
	if t.takes(".") {
		t.digits()
	}
	if t.takes("e") || t.takes("E") {
		if !t.takes("+") {
			t.takes("-")
		}
		t.digits()
	}
	if t.failed {
		return ""
	}
	return json.Number(t.s[start:t.at])
}

func (t *text) digits() {
	start := t.at
	for t.at < len(t.s) && t.s[t.at] >= '0' && t.s[t.at] <= '9' {
		t.at++
	}
	if t.at == start {
		t.giveUp()
	}
}

// any reads a value. Strings are parts of the text.
func (t *text) any(depth int) any {
	if depth > maxDepth {
		t.giveUp()
		return nil
	}
	switch c := t.next(); c {
	case '{':
		return t.fields(depth)
	case '[':
		return t.list(depth)
	case '"':
		return t.quoted()
	case 't', 'f':
		return t.bool()
	case 'n':
		t.expect("null")
		return nil
	default:
		return t.number()
	}
}

func (t *text) fields(depth int) map[string]any {
	m := map[string]any{}
	t.expect("{")
	if t.takes("}") {
		return m
	}
	for !t.failed {
		key := t.quoted()
		t.expect(":")
		m[key] = t.any(depth + 1) // the last one counts, as with encoding/json
		if !t.takes(",") {
			break
		}
	}
	t.expect("}")
	return m
}

func (t *text) list(depth int) []any {
	list := []any{}
	t.expect("[")
	if t.takes("]") {
		return list
	}
	for !t.failed {
		list = append(list, t.any(depth+1))
		if !t.takes(",") {
			break
		}
	}
	t.expect("]")
	return list
}

// end of the object or list that comes next: nothing but brackets and strings is looked at, so it may be none. It gives up when there is none.
func (t *text) end() int {
	depth := 0
	for i := t.at; i < len(t.s); i++ {
		switch t.s[i] {
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		case '"':
			for i++; i < len(t.s) && t.s[i] != '"'; i++ {
				if t.s[i] == '\\' {
					i++
				}
			}
		}
	}
	t.giveUp()
	return t.at
}
