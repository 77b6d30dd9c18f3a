package quick

import (
	"encoding/json"
	"strings"

	"github.com/assay-gitops/assay/internal/sink"
	"github.com/assay-gitops/assay/internal/weave"
	"github.com/assay-gitops/assay/policy"
)

// reader reads the results of one batch.
type reader struct {
	known *Policies
	// manifests are the last ones: results of one object come after each other, from some places at once.
	manifests [8]manifest
	newest    int
}

type manifest struct {
	text   string
	fields map[string]any
}

// result reads the one that a text begins with, and tells where it ends.
func (r *reader) result(body string) (result *sink.Result, end int, ok bool) {
	t := &text{s: body}
	result = &sink.Result{}
	t.object(func(key string) bool { return r.field(t, result, key) })
	return result, t.at, !t.failed && result.Version == 1
}

func (r *reader) field(t *text, to *sink.Result, key string) bool {
	switch key {
	case "version":
		to.Version = 1
		return t.one()
	case "gate":
		to.Gate = sink.Gate(t.own())
	case "operation":
		to.Operation = policy.Operation(t.own())
	case "user":
		to.User = t.own()
	case "validation":
		t.object(func(key string) bool { return r.validation(t, &to.Validation, key) })
	case "app":
		if t.takes("null") {
			return true
		}
		to.App = &sink.App{}
		t.object(func(key string) bool { return app(t, to.App, key) })
	case "workspace":
		to.Workspace = t.own()
	case "life":
		to.Life = sink.Life(t.own())
	case "resolution":
		to.Resolution = t.own()
	case "pass":
		to.Pass = t.own()
	case "exception":
		if t.takes("null") {
			return true
		}
		own := copied(t)
		return !t.failed && json.Unmarshal([]byte(own.s), &to.Exception) == nil
	default:
		return false
	}
	return true
}

func app(t *text, to *sink.App, key string) bool {
	switch key {
	case "kind":
		to.Kind = t.own()
	case "name":
		to.Name = t.own()
	case "namespace":
		to.Namespace = t.own()
	case "revision":
		to.Revision = t.own()
	default:
		return false
	}
	return true
}

func (r *reader) validation(t *text, to *weave.PolicyValidation, key string) bool {
	switch key {
	case "id":
		to.ID = t.own()
	case "account_id":
		to.AccountID = t.own()
	case "cluster_id":
		to.ClusterID = t.own()
	case "policy":
		r.known.read(t, &to.Policy)
	case "entity":
		t.object(func(key string) bool { return r.entity(t, &to.Entity, key) })
	case "status":
		to.Status = t.own()
	case "message":
		to.Message = t.own()
	case "occurrences":
		to.Occurrences = occurrences(t)
	case "source":
		to.Source = t.own()
	case "trigger":
		to.Trigger = t.own()
	case "created_at":
		start := t.at
		if t.quoted(); t.failed || to.CreatedAt.UnmarshalJSON([]byte(t.s[start:t.at])) != nil {
			return false
		}
	case "metadata":
		to.Metadata = owned(t)
	case "enforced":
		to.Enforced = t.bool()
	default:
		return false
	}
	return true
}

func (r *reader) entity(t *text, to *weave.Entity, key string) bool {
	switch key {
	case "id":
		to.ID = t.own()
	case "name":
		to.Name = t.own()
	case "apiVersion":
		to.APIVersion = t.own()
	case "kind":
		to.Kind = t.own()
	case "namespace":
		to.Namespace = t.own()
	case "manifest":
		to.Manifest = r.manifest(t)
	case "resource_version":
		to.ResourceVersion = t.own()
	case "has_parent":
		to.HasParent = t.bool()
	default:
		return false
	}
	return true
}

func (r *reader) manifest(t *text) map[string]any {
	if t.next() != '{' {
		t.expect("null")
		return nil
	}
	for i := range r.manifests {
		if m := &r.manifests[i]; m.text != "" && t.takes(m.text) {
			return m.fields
		}
	}
	own := copied(t)
	fields := own.fields(0)
	if own.failed || own.at != len(own.s) {
		t.giveUp()
		return nil
	}
	r.newest = (r.newest + 1) % len(r.manifests)
	r.manifests[r.newest] = manifest{own.s, fields}
	return fields
}

// copied goes behind the object or list that comes next, and is a copy of it.
func copied(t *text) *text {
	end := t.end()
	if t.failed {
		return t
	}
	own := &text{s: strings.Clone(t.s[t.at:end])}
	t.at = end
	return own
}

// owned reads a value that holds nothing of the text.
func owned(t *text) any {
	switch t.next() {
	case '{', '[':
		own := copied(t)
		value := own.any(0)
		if own.failed || own.at != len(own.s) {
			t.giveUp()
		}
		return value
	case '"':
		return t.own()
	case 't', 'f', 'n':
		return t.any(0)
	}
	return json.Number(strings.Clone(string(t.number())))
}

func occurrences(t *text) []weave.Occurrence {
	if t.takes("null") {
		return nil
	}
	list := []weave.Occurrence{}
	t.expect("[")
	if t.takes("]") {
		return list
	}
	for !t.failed {
		var o weave.Occurrence
		t.object(func(key string) bool { return occurrence(t, &o, key) })
		list = append(list, o)
		if !t.takes(",") {
			break
		}
	}
	t.expect("]")
	return list
}

func occurrence(t *text, to *weave.Occurrence, key string) bool {
	switch key {
	case "message":
		to.Message = t.own()
	case "violating_key":
		if t.takes("null") {
			return true
		}
		path := t.own()
		to.ViolatingKey = &path
	case "recommended_value":
		to.RecommendedValue = owned(t)
	default:
		return false
	}
	return true
}
