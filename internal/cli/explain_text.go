package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/internal/catalog"
	"github.com/assay-gitops/assay/internal/cli/markdown"
	"github.com/assay-gitops/assay/policy"
)

// explainer writes a policy as a page for people.
type explainer struct {
	w     io.Writer
	color bool
	width int
	out   bytes.Buffer
}

func (e *explainer) explain(p *v2.Policy, origin policy.Origin) error {
	s := &p.Spec
	e.line("%s", e.bold(s.ID))
	if s.Name != "" && s.Name != s.ID {
		e.line("%s", s.Name)
	}
	e.line("%s", strings.Join(e.traits(s), ", "))
	e.text("What and why", s.Description)
	e.text("How to solve", s.HowToSolve)
	e.parameters(s.Parameters)
	e.list("Judges", targets(s))
	e.list("Leaves out", exclusions(s))
	e.list("Standards", standards(s))
	if len(s.Tags) > 0 {
		e.list("Tags", []string{strings.Join(s.Tags, ", ")})
	}
	if origin != nil {
		e.list("Defined in", []string{definedIn(origin.Object())})
	}
	e.line("")
	e.line("%s", e.dim(fmt.Sprintf("The rule: assay explain %s -o code", catalog.Slug(s.ID))))
	_, err := e.w.Write(e.out.Bytes())
	return err
}

// traits say in a few words what kind of policy it is.
func (e *explainer) traits(s *v2.PolicySpec) []string {
	enforced := "enforced"
	if !s.IsEnforced() {
		enforced = "a warning only"
	}
	language := "Rego"
	if s.CEL != nil {
		language = "CEL"
	}
	traits := []string{e.severity(s.Severity), enforced, catalog.LastPart(s.Category), language}
	if s.Mutate {
		traits = append(traits, "repairs on admission")
	}
	if provider := s.ProviderOrDefault(); provider != v2.ProviderKubernetes {
		traits = append(traits, string(provider))
	}
	return traits
}

func (e *explainer) text(title, text string) {
	if strings.TrimSpace(text) == "" {
		return
	}
	e.title(title)
	e.out.WriteString(markdown.Render(text, markdown.Style{Color: e.color, Width: e.width, Indent: "  "}))
}

func (e *explainer) list(title string, items []string) {
	if len(items) == 0 {
		return
	}
	e.title(title)
	for _, item := range items {
		e.out.WriteString(markdown.Render(item, markdown.Style{Width: e.width, Indent: "  "}))
	}
}

func (e *explainer) parameters(parameters []v2.PolicyParameter) {
	if len(parameters) == 0 {
		return
	}
	e.title("Parameters (a PolicyConfig can set them)")
	table := tabwriter.NewWriter(&e.out, 0, 0, 2, ' ', 0)
	for _, p := range parameters {
		value := "not set"
		if p.Value != nil && string(p.Value.Raw) != "null" {
			value = compactJSON(p.Value.Raw)
		}
		if p.Required {
			value += " (required)"
		}
		fmt.Fprintln(table, strings.TrimRight(fmt.Sprintf("  %s\t%s\t%s\t%s", oneLine(p.Name), oneLine(p.Type), oneLine(value), oneLine(p.Description)), "\t "))
	}
	table.Flush()
}

// definedIn is the file of a policy; those that ship are part of the program.
func definedIn(place policy.Location) string {
	if name, ships := strings.CutPrefix(place.File, catalog.LibraryScheme); ships {
		return "library/" + name + ", which ships with assay"
	}
	return strings.TrimSuffix(at(place), ": ")
}

func targets(s *v2.PolicySpec) []string {
	var items []string
	t := &s.Targets
	if len(t.Kinds) == 0 {
		items = append(items, "every kind")
	} else {
		items = append(items, strings.Join(t.Kinds, ", "))
	}
	if len(t.APIGroups) > 0 {
		items = append(items, "of the API groups "+quoted(t.APIGroups))
	}
	if len(t.Namespaces) > 0 {
		items = append(items, "in the namespaces "+strings.Join(t.Namespaces, ", "))
	}
	for _, pairs := range t.Labels {
		items = append(items, "with any of the labels "+labels(pairs))
	}
	return items
}

func exclusions(s *v2.PolicySpec) []string {
	var items []string
	if len(s.Exclude.Namespaces) > 0 {
		items = append(items, "the namespaces "+strings.Join(s.Exclude.Namespaces, ", "))
	}
	if len(s.Exclude.Resources) > 0 {
		items = append(items, "the objects "+strings.Join(s.Exclude.Resources, ", "))
	}
	if len(s.Exclude.Labels) > 0 {
		items = append(items, "objects with any of the labels "+labels(s.Exclude.Labels))
	}
	return items
}

func standards(s *v2.PolicySpec) []string {
	var items []string
	for _, standard := range s.Standards {
		item := catalog.LastPart(standard.ID)
		for i, control := range standard.Controls {
			if i == 0 {
				item += ": "
			} else {
				item += ", "
			}
			item += strings.TrimPrefix(control, "weave.controls."+catalog.LastPart(standard.ID)+".")
		}
		items = append(items, item)
	}
	return items
}

func labels(pairs map[string]string) string {
	var items []string
	for _, key := range slices.Sorted(maps.Keys(pairs)) {
		items = append(items, key+"="+pairs[key])
	}
	return strings.Join(items, ", ")
}

func quoted(names []string) string {
	items := make([]string, 0, len(names))
	for _, name := range names {
		if name == "" {
			name = "core"
		}
		items = append(items, name)
	}
	return strings.Join(items, ", ")
}

func compactJSON(raw []byte) string {
	var b bytes.Buffer
	if err := json.Compact(&b, raw); err != nil {
		return string(raw)
	}
	return b.String()
}

// oneLine keeps a value of a table in its row.
func oneLine(s string) string {
	return strings.Join(strings.Fields(markdown.Clean(s)), " ")
}

func trimNewlines(s string) string { return strings.Trim(s, "\n") }

func (e *explainer) line(format string, args ...any) {
	fmt.Fprintf(&e.out, format+"\n", args...)
}

func (e *explainer) title(title string) {
	e.line("")
	e.line("%s", e.bold(title))
}

func (e *explainer) bold(s string) string { return e.styled("1", s) }
func (e *explainer) dim(s string) string  { return e.styled("2", s) }

func (e *explainer) severity(s v2.Severity) string {
	switch s {
	case v2.SeverityHigh:
		return e.styled("31", string(s)+" severity")
	case v2.SeverityMedium:
		return e.styled("33", string(s)+" severity")
	}
	return e.styled("34", string(s)+" severity")
}

func (e *explainer) styled(code, s string) string {
	if s = oneLine(s); !e.color {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}
