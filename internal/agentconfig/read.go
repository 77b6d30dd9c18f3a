package agentconfig

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/assay-gitops/assay/internal/suggest"
)

const (
	// maxValues is how many values of the file are looked at, each as often as aliases repeat it.
	maxValues = 10_000
	// maxMerges is how deep merges of maps may be nested; an anchor that merges itself is nested without end.
	maxMerges = 20
)

// readFile reads YAML into the draft.
func (l *loader) readFile(content []byte) {
	if len(content) > MaxSize {
		l.fault(Place{File: l.file}, "", fmt.Sprintf("the file is larger than %s", formatSize(MaxSize)), "a configuration is some kilobytes")
		return
	}
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	var document, second yaml.Node
	err := decoder.Decode(&document)
	if errors.Is(err, io.EOF) {
		return
	}
	if err != nil {
		l.syntax(content, err)
		return
	}
	t := &tree{loader: l, seen: map[string]Place{}}
	if len(document.Content) > 0 {
		t.root(document.Content[0])
	}
	switch err := decoder.Decode(&second); {
	case errors.Is(err, io.EOF):
	case err != nil:
		l.syntax(content, err)
	case len(second.Content) > 0 && second.Content[0].ShortTag() != "!!null":
		l.fault(t.place(second.Content[0]), "", "a second YAML document begins here", "write the configuration as one document")
	}
}

var (
	parserError   = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)
	unknownAnchor = regexp.MustCompile(`unknown anchor '(.*)' referenced`)
)

// syntax tells what does not parse.
func (l *loader) syntax(content []byte, err error) {
	place := Place{File: l.file}
	// The name of an anchor is not told: it may be a password whose quotes were forgotten.
	if match := unknownAnchor.FindStringSubmatch(err.Error()); match != nil {
		if at := bytes.Index(content, []byte("*"+match[1])); at >= 0 {
			place.Line = 1 + bytes.Count(content[:at], []byte("\n"))
			place.Column = at - bytes.LastIndexByte(content[:at], '\n')
		}
		l.fault(place, "", "an alias (*) whose anchor (&) is not written before it", "put the value in quotes if the asterisk is meant as a character")
		return
	}
	reason := err.Error()
	if match := parserError.FindStringSubmatch(reason); match != nil {
		place.Line, _ = strconv.Atoi(match[1])
		reason = match[2]
		if strings.HasPrefix(reason, "did not find") {
			place.Line++ // the parser counts these from 0
		}
	}
	l.fault(place, "", "no valid YAML: "+shorten(reason), "")
}

// tree reads the nodes of a document.
type tree struct {
	*loader
	// seen is where names, as in the reference, are written first, even without a value.
	seen   map[string]Place
	values int
	full   bool
}

func (t *tree) place(node *yaml.Node) Place {
	return Place{File: t.file, Line: node.Line, Column: node.Column}
}

func (t *tree) root(node *yaml.Node) {
	switch node = resolve(node); {
	case node.ShortTag() == "!!null":
	case node.Kind != yaml.MappingNode:
		t.fault(t.place(node), "", "a configuration is a map of keys, such as logLevel: info", "")
	default:
		t.section("", node, false, 0)
	}
}

// resolve is what an alias stands for.
func resolve(node *yaml.Node) *yaml.Node {
	if node.Kind == yaml.AliasNode {
		return node.Alias
	}
	return node
}

// count tells whether another value may be looked at.
func (t *tree) count(node *yaml.Node) bool {
	t.values++
	if t.values > maxValues && !t.full {
		t.full = true
		t.fault(t.place(node), "", fmt.Sprintf("the file has more than %d values, those that aliases stand for included", maxValues), "")
	}
	return !t.full && len(t.faults) < maxFindings
}

// section reads the keys of a map, which are in the section named by prefix ("" or "admission."). merged is whether the map
// is merged into another one, whose own keys go before.
func (t *tree) section(prefix string, node *yaml.Node, merged bool, merges int) {
	var below []*yaml.Node
	for i := 0; i+1 < len(node.Content); i += 2 {
		name, value := node.Content[i], node.Content[i+1]
		if !t.count(name) {
			return
		}
		if name.Kind == yaml.ScalarNode && name.ShortTag() == "!!merge" {
			below = append(below, value)
			continue
		}
		text := resolve(name)
		if text.Kind != yaml.ScalarNode {
			t.fault(t.place(name), "", "a map or list is used as a key", "")
			continue
		}
		t.entry(prefix+text.Value, t.place(name), value, merged)
	}
	for _, value := range below {
		t.merge(prefix, value, merges)
	}
}

// merge reads the value of <<, a map or a list of maps, the first of which goes before the others.
func (t *tree) merge(prefix string, node *yaml.Node, merges int) {
	source := resolve(node)
	switch {
	case merges >= maxMerges:
		t.fault(t.place(node), "", fmt.Sprintf("merges (<<) are nested more than %d deep, or an anchor merges itself", maxMerges), "")
	case source.Kind == yaml.MappingNode:
		t.section(prefix, source, true, merges+1)
	case source.Kind == yaml.SequenceNode:
		for _, element := range source.Content {
			if !t.count(element) {
				return
			}
			if element = resolve(element); element.Kind != yaml.MappingNode {
				t.fault(t.place(element), "", "only maps can be merged (<<)", "")
				continue
			}
			t.section(prefix, element, true, merges+1)
		}
	default:
		t.fault(t.place(node), "", "only maps can be merged (<<)", "")
	}
}

// entry reads one key with its sections, as it was written.
func (t *tree) entry(written string, place Place, node *yaml.Node, merged bool) {
	name := strings.ToLower(written)
	if strings.HasPrefix(name, "x-") {
		return // holds anchors
	}
	if rest, old := strings.CutPrefix(name+".", "terraform."); old {
		name = strings.TrimSuffix("tfadmission."+rest, ".")
		t.warn(place, written, "is what agents before 2.0 called the section tfAdmission", "rename it")
	}
	if t.outlived(name, written, place) {
		return
	}
	k, section := t.byName[name], t.sections[name]
	switch {
	case k != nil:
		if !t.twice(k.name, place, merged) {
			t.leaf(k, node)
		}
	case section != "":
		if !t.twice(section, place, merged) {
			t.given[section] = place
			t.subsection(section, node)
		}
	default:
		t.fault(place, written, "is no key of the configuration", t.nearest(written))
	}
}

// twice tells whether a name was there before; if so, that is a fault unless it is in a map that is merged.
func (t *tree) twice(name string, place Place, merged bool) bool {
	before, seen := t.seen[name]
	if seen && !merged {
		t.fault(place, name, "is written twice, here and at "+before.String()+" (upper and lower case are the same)", "remove one of them")
	}
	if !seen {
		t.seen[name] = place
	}
	return seen
}

func (t *tree) subsection(section string, node *yaml.Node) {
	switch value := resolve(node); {
	case value.Kind == yaml.MappingNode:
		t.section(section+".", value, false, 0)
	case value.ShortTag() == "!!null":
	default:
		// The value is not told: it may be a password that is indented wrong.
		t.fault(t.place(node), section, "is a section with keys of its own, not one value", "its keys are "+strings.Join(t.children(section), ", "))
	}
}

// leaf reads the value of a key.
func (t *tree) leaf(k *key, node *yaml.Node) {
	value := resolve(node)
	switch {
	case value.ShortTag() == "!!null":
		// As if it were not there.
	case value.Kind == yaml.ScalarNode && !plain(value):
		t.fault(t.place(node), k.name, "has a tag (!) that means nothing here", "")
	case value.Kind == yaml.ScalarNode:
		t.set(k, t.place(node), value.Value)
	case value.Kind == yaml.SequenceNode && k.value.setList != nil:
		t.list(k, value)
	default:
		t.fault(t.place(node), k.name, "must be one value ("+k.value.kind+"), not a map or list", "")
	}
}

func (t *tree) list(k *key, node *yaml.Node) {
	var texts []string
	for _, element := range node.Content {
		if !t.count(element) {
			return
		}
		value := resolve(element)
		if value.Kind != yaml.ScalarNode || value.ShortTag() == "!!null" || !plain(value) {
			t.fault(t.place(element), k.name, "must have entries that are texts", "")
			return
		}
		texts = append(texts, value.Value)
	}
	t.given[k.name] = t.place(node)
	if err := k.value.setList(texts); err != nil {
		t.fault(t.place(node), k.name, err.Error(), "")
	}
}

// plain tells whether a scalar is one that can be taken as it is written.
func plain(node *yaml.Node) bool {
	switch node.ShortTag() {
	case "!!str", "!!int", "!!float", "!!bool", "!!timestamp", "!!merge":
		return true
	}
	return false
}

// outlived warns of keys that agents had once and that mean nothing any more, whatever their values are.
func (t *tree) outlived(name, written string, place Place) bool {
	section, last, nested := cutLast(name)
	if !nested {
		return false
	}
	switch gate, sinks, _ := strings.Cut(section, "."); {
	case gate != "admission" && gate != "audit" && gate != "tfadmission":
		return false
	case last == "policyset" && sinks == "":
		t.warn(place, written, "is ignored since agents of version 2.0", "PolicySet objects of the cluster say which policies act where: spec.mode")
		return true
	case last == "saasgatewaysink" && sinks == "sinks":
		t.warn(place, written, "is ignored: there is no such service any more", "filesystemSink, k8sEventsSink, fluxNotificationSink and elasticSink take results")
		return true
	}
	return false
}

func cutLast(name string) (section, last string, found bool) {
	if at := strings.LastIndexByte(name, '.'); at >= 0 {
		return name[:at], name[at+1:], true
	}
	return "", name, false
}

// nearest is a hint at what may have been meant by a name that is no key: one of its section, or else any.
func (t *tree) nearest(written string) string {
	section, last, _ := cutLast(written)
	section = t.sections[strings.ToLower(section)]
	names := suggest.Nearest(last, t.children(section))
	if section != "" {
		for i := range names {
			names[i] = section + "." + names[i]
		}
	}
	if len(names) == 0 {
		var all []string
		for _, k := range t.keys {
			all = append(all, k.name)
		}
		names = suggest.Nearest(last, all)
	}
	return (&suggest.UnknownError{Nearest: names}).Hint()
}

// children are the names of the keys and sections that are in a section, "" for the outermost, in the order of the
// reference.
func (l *loader) children(section string) []string {
	var names []string
	for _, k := range l.keys {
		rest := k.name
		if section != "" {
			var in bool
			if rest, in = strings.CutPrefix(k.name, section+"."); !in {
				continue
			}
		}
		name, _, _ := strings.Cut(rest, ".")
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}
