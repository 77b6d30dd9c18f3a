package helm

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"text/template"
	"text/template/parse"

	"helm.sh/helm/v4/pkg/chart/common"
)

// The functions that templates are instrumented with. No template can call them: the parser does not know them.
const (
	markFunc  = "assayMark"
	outFunc   = "assayOut"
	enterFunc = "assayEnter"
	leaveFunc = "assayLeave"
)

// renderer executes the templates of one release, one after the other. It is not safe for concurrent use.
type renderer struct {
	ctx    context.Context
	limits limits
	root   *template.Template
	// known are the functions that templates may call.
	known map[string]any
	// nodes that marks refer to.
	nodes []node
	// sinks are what is written to: the output, and the results of include and tpl that are being made.
	sinks []*sink
	// depth of templates in templates.
	depth int
	// steps and written count towards the limits; asked is the step at which the context was last asked.
	steps, written, asked int
}

func newRenderer(ctx context.Context, limits limits) *renderer {
	r := &renderer{ctx: ctx, limits: limits, root: template.New("gotpl")}
	funcs := functions()
	// Go's own would write without a bound.
	maps.Copy(funcs, template.FuncMap{
		"print": fmt.Sprint, "printf": fmt.Sprintf, "println": fmt.Sprintln,
		"html": template.HTMLEscaper, "js": template.JSEscaper, "urlquery": template.URLQueryEscaper,
	})
	funcs = guarded(funcs, r.step)
	r.known = maps.Clone(map[string]any(funcs))
	for _, name := range []string{"and", "or", "not", "call", "index", "slice", "len", "eq", "ne", "lt", "le", "gt", "ge", "include", "tpl"} {
		r.known[name] = true
	}
	maps.Copy(funcs, template.FuncMap{markFunc: r.mark, outFunc: r.out, enterFunc: r.enter, leaveFunc: r.leave})
	r.prepare(r.root.Funcs(funcs))
	return r
}

// prepare gives a template the functions that execute others beside it.
func (r *renderer) prepare(t *template.Template) {
	t.Option("missingkey=zero")
	t.Funcs(template.FuncMap{"include": r.include(t), "tpl": r.tpl(t)})
}

// parse adds a template and those it defines.
func (r *renderer) parse(t *chartTemplate) error {
	return r.parseText(r.root.New(t.name), t.text, t.source)
}

// parseText parses a text into a template and what it is associated with. Written says where the text was; nil for text that
// a template made.
func (r *renderer) parseText(into *template.Template, text string, written *source) error {
	if strings.Count(text, "{{") > maxActions {
		return &limitError{fmt.Sprintf("a template has more than %d actions", maxActions)}
	}
	trees, err := parse.Parse(into.Name(), text, "", "", r.known)
	if err != nil {
		return err
	}
	for name, tree := range trees {
		// An empty definition must stay one: it does not replace another of its name.
		if !parse.IsEmptyTree(tree.Root) {
			(&instrument{renderer: r, source: written}).tree(tree)
		}
		if _, err := into.AddParseTree(name, tree); err != nil {
			return err
		}
	}
	return nil
}

// execute returns what a template writes.
func (r *renderer) execute(t *chartTemplate) (*sink, error) {
	r.sinks, r.depth = nil, 0
	t.scope["Template"] = common.Values{"Name": t.name, "BasePath": t.basePath}
	output, err := r.run(r.root, t.name, t.scope)
	if err != nil {
		return nil, err
	}
	output.drop(noValue)
	return output, nil
}

// noValue is what Go's templates write for a value that is absent, and Helm takes out.
const noValue = "<no value>"

// run executes a template into a sink of its own.
func (r *renderer) run(t *template.Template, name string, data any) (*sink, error) {
	s := &sink{renderer: r}
	r.sinks = append(r.sinks, s)
	defer func() { r.sinks = r.sinks[:len(r.sinks)-1] }()
	return s, t.ExecuteTemplate(s, name, data)
}

// include is Helm's function of that name. What it returns is remembered, so that lines of the output are found in it.
func (r *renderer) include(t *template.Template) func(string, any) (string, error) {
	return func(name string, data any) (string, error) {
		s, err := r.run(t, name, data)
		if err != nil {
			return "", err
		}
		r.remember(s)
		return string(s.text), nil
	}
}

// tpl is Helm's function of that name: it executes text as a template.
func (r *renderer) tpl(parent *template.Template) func(string, any) (string, error) {
	return func(text string, data any) (string, error) {
		r.steps += tplSteps
		if err := r.step(); err != nil {
			return "", err
		}
		t, err := parent.Clone()
		if err != nil {
			return "", fmt.Errorf("cannot clone template: %w", err)
		}
		r.prepare(t)
		t = t.New(tplName)
		if err := r.parseText(t, text, nil); err != nil {
			return "", fmt.Errorf("cannot parse template %q: %w", abridged(text), err)
		}
		s, err := r.run(t, tplName, data)
		if err != nil {
			return "", fmt.Errorf("error during tpl function execution for %q: %w", abridged(text), err)
		}
		s.drop(noValue)
		r.remember(s)
		return string(s.text), nil
	}
}

// tplName is the name of a template that tpl makes.
const tplName = "tpl"

// abridged is a text that fits in a message.
func abridged(text string) string {
	const most = 80
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}

// remember keeps what a function of the template that is being executed has returned.
func (r *renderer) remember(s *sink) {
	if len(r.sinks) > 0 {
		current := r.sinks[len(r.sinks)-1]
		if last := len(current.marks) - 1; last >= 0 {
			current.fragments = append(current.fragments, fragment{s, current.marks[last].node})
		}
	}
}

// step counts one step of execution.
func (r *renderer) step() error {
	r.steps++
	if r.steps > r.limits.steps {
		return &limitError{fmt.Sprintf("it takes more than %d steps: is there an end to it?", r.limits.steps)}
	}
	if r.steps-r.asked >= 1000 {
		r.asked = r.steps
		if r.ctx.Err() == nil {
			return nil
		}
		return fmt.Errorf("stopped: %w", context.Cause(r.ctx))
	}
	return nil
}

// exhausted tells whether there is no point in executing another template.
func (r *renderer) exhausted() bool {
	return r.steps > r.limits.steps || r.written > r.limits.output<<20 || r.ctx.Err() != nil
}

// mark notes that what is written from here on comes from a node.
func (r *renderer) mark(id int) (string, error) {
	r.sinks[len(r.sinks)-1].mark(id)
	return "", r.step()
}

// out passes a value that is about to be written. As a reflect.Value it stays what it is: how Go's templates write a
// value depends on whether it can be addressed.
func (r *renderer) out(v reflect.Value) (reflect.Value, error) {
	if !v.IsValid() {
		return v, nil
	}
	return v, checkExtent(v)
}

func (r *renderer) enter() (string, error) {
	r.depth++
	if r.depth > maxDepth {
		return "", &limitError{fmt.Sprintf("templates include one another more than %d levels deep: is there an end to it?", maxDepth)}
	}
	return "", nil
}

func (r *renderer) leave() string {
	r.depth--
	return ""
}
