package kustomize

import (
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/assay-gitops/assay/internal/render/raw"
	"github.com/assay-gitops/assay/policy"
)

// explain turns an error of kustomize into problems at the places of their causes, as near as they can be found.
func (t *tree) explain(dir string, err error) []policy.Problem {
	message := t.readable(err.Error())
	// What does not parse is best explained by a parser; it may be a warning to those who look for objects only.
	var problems []policy.Problem
	for _, path := range t.files.paths() {
		if !strings.Contains(message, filepath.Base(path)) {
			continue
		}
		content, err := t.files.readOriginal(path)
		if err != nil {
			continue
		}
		_, found := raw.Parse(relative(t.root, path), content)
		for _, p := range found {
			p.Kind, p.Warning = policy.RenderProblem, false
			problems = append(problems, p)
		}
	}
	if len(problems) > 0 {
		return problems
	}
	top, layerErr := t.layer(dir)
	if layerErr != nil {
		return []policy.Problem{layerErr.(*problemAt).Problem}
	}
	p := problem(t.placeOf(top, message), hint(message), "the kustomization does not build: %s", essence(message))
	return []policy.Problem{p.Problem}
}

// nesting is what kustomize says around an error for each layer that it is below.
var nesting = regexp.MustCompile(`^(?:accumulating resources: |accumulation err='.*?' must resolve to a file': |recursed accumulation of path '[^']*': |` +
	`accumulating components: accumulateDirectory: )+`)

// notAFolder is what kustomize adds to what is wrong with a file: that it is no folder.
var notAFolder = regexp.MustCompile(`^accumulation err='accumulating resources from '[^']*': (.*)': (?:must build at directory|new root '|evalsymlink failure|got file '|invalid file reference).*$`)

// essence is a message without what it says of the layers above, which locations say.
func essence(message string) string {
	short := nesting.ReplaceAllString(message, "")
	if match := notAFolder.FindStringSubmatch(short); match != nil {
		short = match[1]
	}
	return short
}

// readable is kustomize's message on one line, with paths as people know them.
func (t *tree) readable(message string) string {
	message = strings.ReplaceAll(oneLine(message), t.root+string(filepath.Separator), "")
	const limit = 1000
	if len(message) > limit {
		message = strings.ToValidUTF8(message[:limit], "") + "…"
	}
	return message
}

// placeOf finds what a message is about: the patch whose object or operation it names, else the entry that it names last, else
// the top kustomization.
func (t *tree) placeOf(top *layer, message string) policy.Location {
	place, last := top.source.LocateLine(1), -1
	for _, dir := range slices.Sorted(maps.Keys(t.layers)) {
		l := t.layers[dir]
		for _, p := range l.patches() {
			for _, d := range p.documents() {
				if at, ok := d.mentioned(message); ok {
					return at
				}
			}
		}
		for _, r := range slices.Concat(l.includes(), l.plugins(), l.reads()) {
			for _, around := range []string{"'%s'", "(%s)", "path: %s ", "[%s]", `"%s"`} {
				if found := strings.LastIndex(message, fmt.Sprintf(around, r.value)); found > last {
					place, last = l.at("", r.path...), found
				}
			}
		}
	}
	return place
}

// mentioned is the place of what a message names in the patch: its object, or the path of an operation.
func (d document) mentioned(message string) (policy.Location, bool) {
	patched := policy.Object{Content: d.content}
	if name := patched.Name(); name != "" && strings.Contains(message, patched.Kind()+".") && strings.Contains(message, "/"+name+".") {
		return d.locate(nil), true
	}
	for i, op := range d.operations {
		// Of a path that begins like it the message would go on.
		if _, after, ok := strings.Cut(message+" ", op.Path); ok && len(op.Path) > 1 && strings.ContainsAny(after[:1], " :'\"") {
			return d.locate(policy.Path{policy.Index(i), policy.Key("path")}), true
		}
	}
	return policy.Location{}, false
}

// hint says what to do about some errors.
func hint(message string) string {
	switch {
	case strings.Contains(message, "is not in or below"):
		return "kustomize reads files only in the kustomization's own folder and below: move the file there, or include a folder that has a kustomization.yaml"
	case strings.Contains(message, "external plugins disabled"), strings.Contains(message, "enable-exec"), strings.Contains(message, "enable-helm"):
		return "programs are not run by a check, as they are not by Flux: check what they make"
	case strings.Contains(message, "may not add resource with an already registered id"):
		return "include the object once, or give the copies prefixes or namespaces of their own"
	}
	return ""
}
