package policies

import (
	"fmt"
	"net/http"
	"strings"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/engine"
	"github.com/assay-gitops/assay/internal/words"
)

// findings are what is wrong with an object.
type findings []engine.Problem

// What the API server lets through: 256 characters for a warning that is certain to be shown whole, 4 KiB for all of them
// (https://github.com/kubernetes/apiserver/blob/master/pkg/warning/context.go). Denials are bounded by good taste.
const (
	maxWarning  = 256
	maxWarnings = 15
	maxDenial   = 8 << 10
)

// refuses tells whether an object is refused because of a problem. What can never work is: a policy that does not compile or
// has another one's id, and a config that sets what another one sets for the same objects, as the old agent refused it.
// What may be right a moment later, such as a config for a policy that is not there yet, is not.
func refuses(p *engine.Problem) bool {
	switch p.Source.(type) {
	case *v2.Policy:
		return p.LeftOut
	case *v2.PolicyConfig:
		return p.LeftOut || p.Other != nil
	}
	return false
}

// response refuses the object, or lets it in with warnings.
func (f findings) response(kind, name string) *admissionv1.AdmissionResponse {
	var refusing, warning findings
	for i := range f {
		if refuses(&f[i]) {
			refusing = append(refusing, f[i])
		} else {
			warning = append(warning, f[i])
		}
	}
	response := allowed(warning.warnings())
	if len(refusing) > 0 {
		response.Allowed = false
		response.Result = &metav1.Status{
			Status: metav1.StatusFailure, Code: http.StatusForbidden, Reason: metav1.StatusReasonForbidden, Message: refusing.denial(kind, name),
		}
	}
	return response
}

func allowed(warnings []string) *admissionv1.AdmissionResponse {
	return &admissionv1.AdmissionResponse{Allowed: true, Warnings: warnings}
}

// denial is the text of a refusal: for each problem the place, the reason, the offending line and the way out.
func (f findings) denial(kind, name string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s cannot work:", kind, name)
	for i := range f {
		p := &f[i]
		fmt.Fprintf(&b, "\n%s%s", place(p), p.Message)
		if p.Excerpt != "" {
			fmt.Fprintf(&b, "\n%s", strings.TrimRight(p.Excerpt, "\n"))
		}
		if p.Hint != "" {
			fmt.Fprintf(&b, "\nhint: %s", p.Hint)
		}
	}
	return words.Cut(b.String(), maxDenial)
}

func place(p *engine.Problem) string {
	switch {
	case p.Field == "":
		return ""
	case p.Line > 0:
		return fmt.Sprintf("%s:%d:%d: ", p.Field, p.Line, p.Column)
	}
	return p.Field + ": "
}

func (f findings) warnings() []string {
	var all []string
	for i := range f {
		if i == maxWarnings {
			all = append(all, fmt.Sprintf("and %d more: the object's status lists them", len(f)-i))
			break
		}
		text := place(&f[i]) + f[i].Message
		if f[i].Hint != "" {
			text += " (" + f[i].Hint + ")"
		}
		all = append(all, words.OneLine(text, maxWarning))
	}
	return all
}

// more is what the engine has no reason to complain about, and the person who applies the object would like to know.
func more(snapshot *engine.Snapshot, object any) findings {
	switch o := object.(type) {
	case *v2.Policy:
		if o.Name != o.Spec.ID {
			return findings{{
				Source: o, Field: "spec.id", Message: fmt.Sprintf("the id %s is not the policy's name, %s", o.Spec.ID, o.Name),
				Hint: "PolicySets choose by name, PolicyConfigs and results go by id: make them equal",
			}}
		}
	case *v2.PolicySet:
		if o.Spec.Mode != "" && len(snapshot.Chosen(o)) == 0 {
			return findings{{
				Source: o, Field: "spec.filters", Message: fmt.Sprintf("no policy matches the filters, and so none acts in mode %s unless another set chooses it", o.Spec.Mode),
			}}
		}
	}
	return nil
}

// turned is a clash that was found with another source, as one of the object: which of the two the engine complains about
// is a matter of their age and names.
func turned(p engine.Problem, object any) engine.Problem {
	other := p.Source
	switch o := object.(type) {
	case *v2.Policy:
		if first, ok := other.(*v2.Policy); ok {
			p.Message = fmt.Sprintf("policy id %s is already used by policy %s", o.Spec.ID, first.Name)
		}
	case *v2.PolicyConfig:
		if first, ok := other.(*v2.PolicyConfig); ok {
			p.Message = strings.Replace(p.Message, "policy config '"+o.Name+"' already", "policy config '"+first.Name+"' already", 1)
			p.Field = "spec.match"
		}
	}
	p.Source, p.Other = object, other
	return p
}
