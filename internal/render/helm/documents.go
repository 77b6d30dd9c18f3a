package helm

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"

	"github.com/assay-gitops/assay/internal/render/raw"
	"github.com/assay-gitops/assay/policy"
)

// separator is where Helm cuts, which need not be a line of its own.
var separator = regexp.MustCompile(`(?m)^---[ \t]*`)

// document is one manifest of what a template has written.
type document struct {
	builder  *builder
	template *chartTemplate
	output   *sink
	// start is the offset in the output.
	start int
	text  []byte
	file  *raw.File
}

// documents cuts what a template has written as Helm does.
func (b *builder) documents(t *chartTemplate, output *sink) []*document {
	var documents []*document
	add := func(start, end int) {
		text := output.text[start:end]
		trimmed := bytes.TrimLeftFunc(text, unicode.IsSpace)
		if len(trimmed) == 0 {
			return
		}
		start += len(text) - len(trimmed)
		documents = append(documents, &document{builder: b, template: t, output: output, start: start, text: trimmed, file: raw.Open(t.file(), trimmed)})
	}
	from := 0
	for _, cut := range separator.FindAllIndex(output.text, -1) {
		add(from, cut[0])
		from = cut[1]
	}
	add(from, len(output.text))
	return documents
}

// objects are those of a document that installing the chart would apply.
func (d *document) objects() []*policy.Object {
	objects, problems := d.file.Objects()
	if len(problems) > 0 {
		// Helm takes the last of two keys where kubectl and we refuse them.
		content, err := d.lenient()
		for _, p := range problems {
			d.builder.problems = append(d.builder.problems, d.problem(p, err == nil))
		}
		if err == nil {
			objects = []*policy.Object{{Content: content}}
		}
	}
	if len(objects) == 0 && len(problems) == 0 {
		d.checkType()
	}
	var applied []*policy.Object
	for _, o := range objects {
		if isApplied(o) {
			written, _ := o.Origin.(*raw.Origin)
			applied = append(applied, &policy.Object{Content: o.Content, Origin: &origin{document: d, written: written, content: o.Content}})
		}
	}
	return applied
}

// lenient decodes the document as Helm does.
func (d *document) lenient() (map[string]any, error) {
	data, err := yaml.YAMLToJSON(d.text)
	if err != nil {
		return nil, err
	}
	var content map[string]any
	if err := json.Unmarshal(data, &content); err != nil {
		return nil, err
	}
	if o := (policy.Object{Content: content}); o.APIVersion() == "" || o.Kind() == "" {
		return nil, fmt.Errorf("not an object")
	}
	return content, nil
}

// checkType tells about a document that is no object of Kubernetes.
func (d *document) checkType() {
	var content any
	if d.file.Documents() == 0 || yaml.Unmarshal(d.text, &content) != nil {
		return
	}
	var missing string
	switch content := content.(type) {
	case nil:
		return
	case map[string]any:
		o := policy.Object{Content: content}
		switch {
		case len(content) == 0 || o.APIVersion() != "" && o.Kind() != "":
			return
		case o.Kind() != "":
			missing = "no apiVersion"
		case o.APIVersion() != "":
			missing = "no kind"
		default:
			missing = "neither apiVersion nor kind"
		}
	default:
		missing = "neither apiVersion nor kind"
	}
	d.builder.fault(d.locate(policy.Location{Line: 1, Column: 1}), "the template writes a document that has "+missing, "Helm would fail to install it")
}

// problem moves a problem from the document to the template.
func (d *document) problem(p policy.Problem, warning bool) policy.Problem {
	excerpt := ""
	if p.Location.Line > 0 {
		excerpt = d.excerpt(p.Location)
	}
	return policy.Problem{
		Kind: policy.RenderProblem, Location: d.locate(p.Location), Warning: warning, Excerpt: excerpt,
		Message: "the YAML that the template writes is wrong: " + p.Message, Hint: "look at the output of helm template: line " +
			fmt.Sprint(max(p.Location.Line, 1)) + " of the document",
	}
}

// excerpt is the line as it was rendered with the one before it, and a caret.
func (d *document) excerpt(at policy.Location) string {
	lines := strings.Split(string(d.text), "\n")
	if at.Line > len(lines) {
		return ""
	}
	var b strings.Builder
	for n := max(1, at.Line-1); n <= at.Line; n++ {
		fmt.Fprintf(&b, "%s\n", abridged(strings.TrimRight(lines[n-1], "\r")))
	}
	return b.String() + strings.Repeat(" ", min(max(at.Column, 1), 80)-1) + "^"
}

// locate is the line of the template that wrote a place of the document.
func (d *document) locate(at policy.Location) policy.Location {
	places, _ := d.output.origins(d.start + d.offset(at))
	if len(places) == 0 {
		return policy.Location{File: d.template.file()}
	}
	return wholeLine(places[0].source, places[0].line)
}

// offset of a place in the document.
func (d *document) offset(at policy.Location) int {
	offset := 0
	for line := 1; line < at.Line; line++ {
		end := bytes.IndexByte(d.text[offset:], '\n')
		if end < 0 {
			return len(d.text)
		}
		offset += end + 1
	}
	_, end := lineBounds(d.text, offset)
	column := 1
	for i := range string(d.text[offset:end]) {
		if column >= at.Column {
			return offset + i
		}
		column++
	}
	return max(offset, end-1)
}

// hookEvents are what Helm knows; what names another is never applied.
var hookEvents = map[string]bool{
	"pre-install": true, "post-install": true, "pre-delete": true, "post-delete": true, "pre-upgrade": true,
	"post-upgrade": true, "pre-rollback": true, "post-rollback": true, "test": false, "test-success": false,
}

// isApplied tells whether an object is applied in the life of a release. Tests run only on demand.
func isApplied(o *policy.Object) bool {
	metadata, _ := o.Content["metadata"].(map[string]any)
	annotations, _ := metadata["annotations"].(map[string]any)
	hook, ok := annotations["helm.sh/hook"].(string)
	if !ok {
		return true
	}
	applied := false
	for event := range strings.SplitSeq(hook, ",") {
		acts, known := hookEvents[strings.ToLower(strings.TrimSpace(event))]
		if !known {
			return false
		}
		applied = applied || acts
	}
	return applied
}
