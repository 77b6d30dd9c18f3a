package policy

import (
	"fmt"
	"strconv"
	"strings"
)

// maxPathLength bounds what a policy can make others parse; no field of a Kubernetes object needs more.
const maxPathLength = 4096

// maxJoinedKey bounds, in bytes, the keys that are sought by joining steps. The longest keys with dots that Kubernetes
// allows, those of labels, have 317.
const maxJoinedKey = 512

// Path leads from the root of an object to a field.
type Path []Step

// Step is one key of a map or one index of a list.
type Step struct {
	// Key of a map, when IsIndex is false.
	Key string
	// Index of a list, counted from 0, when IsIndex is true.
	Index   int
	IsIndex bool
}

// Key is the step into a map.
func Key(key string) Step { return Step{Key: key} }

// Index is the step into a list.
func Index(index int) Step { return Step{Index: index, IsIndex: true} }

// ParsePath parses a violating key. Keys are separated by dots and may be followed by list indexes in brackets:
//
//	spec.template.spec.containers[0].image
//
// A key that contains dots is written in brackets and quotes, or with its dots escaped:
//
//	metadata.labels["app.kubernetes.io/name"]
//	metadata.labels.app\.kubernetes\.io/name
//
// A leading "$." or "." is ignored. Paths that neither quote nor escape are understood as far as the object tells: see
// Path.Resolve.
func ParsePath(s string) (Path, error) {
	if len(s) > maxPathLength {
		return nil, fmt.Errorf("path of %d bytes is longer than %d", len(s), maxPathLength)
	}
	p := pathParser{in: s}
	if strings.HasPrefix(s, "$") && (len(s) == 1 || s[1] == '.' || s[1] == '[') {
		p.at = 1
	}
	return p.parse()
}

type pathParser struct {
	in string
	at int
}

func (p *pathParser) parse() (Path, error) {
	var path Path
	for first := true; p.at < len(p.in); first = false {
		if p.in[p.at] == '[' {
			step, err := p.bracket()
			if err != nil {
				return nil, err
			}
			path = append(path, step)
			continue
		}
		if p.in[p.at] == '.' {
			p.at++
		} else if !first && p.in[p.at-1] == ']' {
			return nil, p.errorf("expected a dot or a bracket after ]")
		}
		if p.at < len(p.in) && p.in[p.at] == '[' {
			continue
		}
		key, err := p.key()
		if err != nil {
			return nil, err
		}
		path = append(path, Key(key))
	}
	if len(path) == 0 {
		return nil, p.errorf("empty path")
	}
	return path, nil
}

// key reads up to the next dot or bracket that is not escaped.
func (p *pathParser) key() (string, error) {
	var key strings.Builder
	start := p.at
	for ; p.at < len(p.in); p.at++ {
		c := p.in[p.at]
		if c == '.' || c == '[' {
			break
		}
		if c == '\\' && p.at+1 < len(p.in) {
			p.at++
			c = p.in[p.at]
		}
		key.WriteByte(c)
	}
	if p.at == start {
		return "", p.errorf("empty key")
	}
	return key.String(), nil
}

func (p *pathParser) bracket() (Step, error) {
	p.at++ // the opening bracket
	if p.at < len(p.in) && (p.in[p.at] == '"' || p.in[p.at] == '\'') {
		key, err := p.quoted(p.in[p.at])
		return Key(key), err
	}
	end := strings.IndexByte(p.in[p.at:], ']')
	if end < 0 {
		return Step{}, p.errorf("bracket is not closed")
	}
	index, ok := parseIndex(p.in[p.at : p.at+end])
	if !ok {
		return Step{}, p.errorf("%q is neither a list index nor a quoted key", p.in[p.at:p.at+end])
	}
	p.at += end + 1
	return Index(index), nil
}

func (p *pathParser) quoted(quote byte) (string, error) {
	var key strings.Builder
	for p.at++; p.at < len(p.in); p.at++ {
		c := p.in[p.at]
		switch {
		case c == '\\' && p.at+1 < len(p.in):
			p.at++
			key.WriteByte(p.in[p.at])
		case c == quote:
			if p.at+1 >= len(p.in) || p.in[p.at+1] != ']' {
				return "", p.errorf("expected ] after the closing quote")
			}
			p.at += 2
			return key.String(), nil
		default:
			key.WriteByte(c)
		}
	}
	return "", p.errorf("quote is not closed")
}

func (p *pathParser) errorf(format string, args ...any) error {
	return fmt.Errorf("path %q, character %d: %s", p.in, p.at+1, fmt.Sprintf(format, args...))
}

// String writes the path so that ParsePath reads it back: keys that need it are put in brackets and quotes.
func (p Path) String() string {
	var b strings.Builder
	for i, step := range p {
		switch {
		case step.IsIndex:
			fmt.Fprintf(&b, "[%d]", step.Index)
		case step.Key == "" || strings.ContainsAny(step.Key, ".[]\\\"'") || (i == 0 && step.Key == "$"):
			b.WriteString(`["`)
			b.WriteString(strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(step.Key))
			b.WriteString(`"]`)
		default:
			if i > 0 {
				b.WriteByte('.')
			}
			b.WriteString(step.Key)
		}
	}
	return b.String()
}

// Resolve understands the path in the light of an object and tells how many of the returned steps are present in it.
// It differs from p where the object has a key that contains dots which p took apart, and where p says
// spec.template.spec, as older policies do for every kind, but the object keeps its pod elsewhere.
func (p Path) Resolve(object map[string]any) (resolved Path, present int) {
	resolved, present = resolve(object, p)
	if present == len(resolved) {
		return resolved, present
	}
	kind, _ := object["kind"].(string)
	if pod, ok := PodSpecPath(kind); ok && p.hasPrefix(templateSpec) {
		moved, movedPresent := resolve(object, append(pod[:len(pod):len(pod)], p[len(templateSpec):]...))
		if movedPresent >= present {
			return moved, movedPresent
		}
	}
	return resolved, present
}

func (p Path) hasPrefix(prefix Path) bool {
	if len(p) < len(prefix) {
		return false
	}
	for i := range prefix {
		if p[i] != prefix[i] {
			return false
		}
	}
	return true
}

// resolve follows p from value and tells how many of the returned steps are present.
func resolve(value any, p Path) (resolved Path, present int) {
	followed, consumed := follow(value, p)
	return append(followed, p[consumed:]...), len(followed)
}

// follow takes p as far into value as it leads, and tells how many steps of p that consumes: more than were followed where
// steps are taken together because only their join is a key. Of several ways the one that consumes most is taken, of
// those the one with the shorter keys first. A value is reached on one way only, since the keys that lead to it are a
// prefix of p; so this takes no longer than it takes to look at the object once for each step.
func follow(value any, p Path) (followed Path, consumed int) {
	if len(p) == 0 {
		return nil, 0
	}
	try := func(step Step, next any, used int) {
		further, more := follow(next, p[used:])
		if used+more > consumed {
			followed, consumed = append(Path{step}, further...), used+more
		}
	}
	switch v := value.(type) {
	case map[string]any:
		if p[0].IsIndex {
			return nil, 0
		}
		key := p[0].Key
		for used := 1; ; used++ {
			if next, ok := v[key]; ok {
				try(Key(key), next, used)
			}
			if consumed == len(p) || used == len(p) || p[used].IsIndex || len(key) > maxJoinedKey {
				return followed, consumed
			}
			key += "." + p[used].Key
		}
	case []any:
		index, ok := p[0].Index, p[0].IsIndex
		if !ok {
			index, ok = parseIndex(p[0].Key)
		}
		if ok && index < len(v) {
			try(Index(index), v[index], 1)
		}
	}
	return followed, consumed
}

// parseIndex reads an index of a list: digits and nothing else.
func parseIndex(s string) (int, bool) {
	index, err := strconv.ParseUint(s, 10, 31)
	return int(index), err == nil
}
