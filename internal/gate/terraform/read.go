package terraform

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"time"

	kjson "sigs.k8s.io/json"

	"github.com/assay-gitops/assay/internal/gate/review"
	"github.com/assay-gitops/assay/policy"
)

// read reads the object of a request until the deadline.
func (h *handler) read(w http.ResponseWriter, r *http.Request, deadline time.Time) (*policy.Object, error) {
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
		return nil, fail(http.StatusUnsupportedMediaType, "content encoding %.40q is not understood: send plain JSON", encoding)
	}
	body, err := h.readBody(w, r, deadline)
	if err != nil {
		return nil, err
	}
	content, err := decode(body)
	if err != nil {
		return nil, err
	}
	content, err = complete(content)
	if err != nil {
		return nil, err
	}
	return &policy.Object{Content: content}, nil
}

func (h *handler) readBody(w http.ResponseWriter, r *http.Request, deadline time.Time) ([]byte, error) {
	body, err := review.ReadBody(w, r, h.MaxBodySize, deadline)
	switch {
	case errors.Is(err, review.ErrTooLarge):
		return nil, fail(http.StatusRequestEntityTooLarge, "the request is larger than %d bytes, the most that is read: see tfAdmission.maxBodySize", h.MaxBodySize)
	case errors.Is(err, review.ErrLate):
		return nil, fail(http.StatusRequestTimeout, "the request did not arrive within %s", h.Timeout)
	case err != nil:
		return nil, fail(http.StatusBadRequest, "reading the request: %w", err)
	}
	return body, nil
}

// decode reads one JSON object, with the types of policy.Object. The errors say where the fault is and nothing of what is
// there: a plan holds secrets.
func decode(body []byte) (map[string]any, error) {
	if len(bytes.TrimSpace(body)) == 0 {
		return nil, fail(http.StatusBadRequest, "the request has no body: send the Terraform object with its plan in status.tfplan, or a plan alone, as JSON")
	}
	var value any
	repeated, err := kjson.UnmarshalStrict(body, &value, kjson.DisallowDuplicateFields)
	if err != nil {
		if syntax, offset := kjson.SyntaxErrorOffset(err); syntax {
			line, column := position(body, offset)
			return nil, fail(http.StatusBadRequest, "the body is no JSON: line %d, column %d: %w", line, column, err)
		}
		return nil, fail(http.StatusBadRequest, "the body is no JSON: it holds a number that is too large")
	}
	if len(repeated) > 0 {
		// Which of two values counts differs from reader to reader: what is judged could be another plan than what is applied.
		return nil, fail(http.StatusBadRequest, "the body sets a key twice: %.500s", repeated[0].Error())
	}
	content, ok := value.(map[string]any)
	if !ok {
		return nil, fail(http.StatusBadRequest, "the body is JSON, but no object: send the Terraform object with its plan in status.tfplan, or a plan alone")
	}
	if policy.TooDeep(content) {
		return nil, fail(http.StatusBadRequest, "the body is nested more than %d deep", policy.MaxDepth)
	}
	return content, nil
}

// position is the line and column, counted from 1, of the character that a syntax error is about. The offset is that after
// the character.
func position(body []byte, offset int64) (line, column int) {
	before := body[:min(max(offset-1, 0), int64(len(body)))]
	return 1 + bytes.Count(before, []byte("\n")), len(before) - bytes.LastIndexByte(before, '\n')
}

// The kind that a plan alone is taken for.
const (
	apiVersion = "infra.contrib.fluxcd.io/v1alpha2"
	kind       = "Terraform"
)

// complete makes an object of Kubernetes of what was sent. A plan alone (payloadType PlanOnly of the Tofu controller) becomes
// a Terraform object without a name that has the plan in status.tfplan: else no policy that targets the kind Terraform
// would judge it, and it would pass unseen. The fields of the plan stay where policies for the Weave Policy Agent find
// them. What is neither is refused for the same reason.
func complete(content map[string]any) (map[string]any, error) {
	if metadata, ok := content["metadata"].(map[string]any); ok {
		delete(metadata, "managedFields")
	}
	if text, ok := content["kind"].(string); ok && text != "" {
		return content, nil
	}
	// See https://developer.hashicorp.com/terraform/internals/json-format
	if _, ok := content["format_version"].(string); !ok {
		return nil, fail(http.StatusBadRequest, "the body is neither an object of Kubernetes, which has a kind, nor a plan as `tofu show -json` writes it, which has a format_version")
	}
	object := maps.Clone(content)
	object["apiVersion"], object["kind"] = apiVersion, kind
	object["metadata"] = map[string]any{}
	object["status"] = map[string]any{"tfplan": content}
	return object, nil
}

// failure is an error that is answered by an HTTP status.
type failure struct {
	code int
	err  error
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

func fail(code int, format string, args ...any) error {
	return &failure{code, fmt.Errorf(format, args...)}
}
