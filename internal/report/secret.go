package report

import (
	"regexp"
	"strings"

	"github.com/assay-gitops/assay/policy"
)

// secretMark stands for what is not shown.
const secretMark = "***"

// isSecret tells whether the object's data must not be shown.
func isSecret(o *policy.Object) bool { return o.Kind() == "Secret" && o.Group() == "" }

// isSecretValue tells whether what is at a path of an object must not be shown: anything in a Secret but for what
// identifies it.
func isSecretValue(o *policy.Object, path string) bool {
	if !isSecret(o) {
		return false
	}
	steps, err := policy.ParsePath(path)
	if err != nil {
		return true
	}
	switch steps[0].Key {
	case "apiVersion", "kind", "type", "immutable":
		return false
	case "metadata":
		// What kubectl applied last is in an annotation, with the data.
		return len(steps) < 2 || steps[1].Key == "annotations"
	}
	return true
}

// publicKeys of the manifest of a Secret may be shown with their values, by the keys above them.
var publicKeys = map[string][]string{
	"":         {"apiVersion", "kind", "type", "immutable"},
	"metadata": {"name", "namespace"},
}

// generators is the key of a kustomization below which Secrets are written.
const generators = "secretGenerator"

var (
	// yamlKey is a key with what stands before it and its value: indentation and dashes, the key, the value.
	yamlKey    = regexp.MustCompile(`^([ -]*)([A-Za-z0-9._/-]+):(?:[ \t]+(.*))?$`)
	kindSecret = regexp.MustCompile(`(?:^|[\s{,-])["']?kind["']?\s*:\s*["']?Secret["']?\s*(?:[,}#]|$)`)
	secretData = regexp.MustCompile(`(?:^|[\s{,-])["']?(?:data|stringData)["']?\s*:`)
)

// document is a YAML document of a file: the lines from first to last, counted from 0.
type document struct {
	first, last int
	// secret: there is a Secret in it; generates: it is a kustomization that makes Secrets.
	secret, generates bool
}

// documents finds where the documents of a file are, and in which of them secrets are to be expected.
func documents(lines []string) []document {
	var all []document
	current := document{}
	kind, data := false, false
	finish := func(last int) {
		current.last, current.secret = last, kind && data
		all = append(all, current)
		current, kind, data = document{first: last + 1}, false, false
	}
	for i, line := range lines {
		if strings.HasPrefix(line, "---") && i > 0 {
			finish(i - 1)
		}
		kind = kind || strings.Contains(line, "Secret") && kindSecret.MatchString(line)
		data = data || strings.Contains(line, "ata") && secretData.MatchString(line)
		current.generates = current.generates || strings.HasPrefix(line, generators+":")
	}
	finish(len(lines) - 1)
	return all
}

// maxClimb is how many lines are searched for the keys above a line; one that is further below them counts as secret.
const maxClimb = 2000

// masked is a line without the values that may be a Secret's. The lines are those of one document; all of them are
// secret when the object is a Secret or when the document holds one, for then it may be written in a way that is not
// understood here: a template, a file of variables, JSON.
func masked(lines []string, at int, d document, secret bool) string {
	line := lines[at]
	if strings.TrimSpace(line) == "" || !secret && !d.secret && !d.generates {
		return line
	}
	above, ok := keysAbove(lines, at, d.first)
	if !secret && !d.secret && ok && (len(above) == 0 || above[0] != generators) {
		return line
	}
	key := yamlKey.FindStringSubmatch(line)
	if !ok || key == nil {
		return line[:keyColumn(line)] + secretMark
	}
	if value := key[3]; value == "" || value == "|" || value == ">" || d.secret && isPublic(above, key[2]) {
		return line
	}
	return key[1] + key[2] + ": " + secretMark
}

func isPublic(above []string, key string) bool {
	if len(above) > 0 && above[0] == "items" {
		above = above[1:]
	}
	for _, public := range publicKeys[strings.Join(above, ".")] {
		if key == public {
			return true
		}
	}
	return false
}

// keysAbove are the keys that lead to a line, outermost first, as indentation tells; ok is false when something else than
// keys is above it, such as the beginning of a text of several lines.
func keysAbove(lines []string, at, first int) (above []string, ok bool) {
	column := keyColumn(lines[at])
	for n := at - 1; n >= first && column > 0; n-- {
		line := lines[n]
		if at-n > maxClimb {
			return nil, false
		}
		if trimmed := strings.TrimSpace(line); trimmed == "" || trimmed[0] == '#' || keyColumn(line) >= column || strings.HasPrefix(trimmed, "{{") {
			continue
		}
		if strings.HasPrefix(line, "---") {
			break
		}
		key := yamlKey.FindStringSubmatch(line)
		if key == nil || key[3] != "" && key[3][0] != '#' {
			return nil, false
		}
		above = append([]string{key[2]}, above...)
		column = keyColumn(line)
	}
	return above, true
}

// keyColumn is how many characters of indentation and dashes are before what a line says.
func keyColumn(line string) int {
	rest := strings.TrimLeft(line, " ")
	for strings.HasPrefix(rest, "- ") {
		rest = strings.TrimLeft(rest[2:], " ")
	}
	return len(line) - len(rest)
}
