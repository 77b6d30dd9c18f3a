package workspaces

import (
	"errors"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func TestOnlyARefusalCountsAsHeld(t *testing.T) {
	pods := schema.GroupResource{Resource: "pods"}
	refused := &apierrors.StatusError{ErrStatus: metav1.Status{Code: 403, Reason: metav1.StatusReasonForbidden, Message: `admission webhook "admission.agent.weaveworks" denied the request: policy x`}}
	tests := map[string]struct {
		err  error
		want Outcome
	}{
		"it worked":                  {nil, Escaped},
		"a webhook":                  {refused, Held},
		"rbac":                       {apierrors.NewForbidden(pods, "x", errors.New(`User "a" cannot create resource "pods" in API group ""`)), Held},
		"a grant of too much":        {apierrors.NewForbidden(pods, "x", errors.New("user is attempting to grant RBAC permissions not currently held")), Held},
		"pod security":               {apierrors.NewForbidden(pods, "x", errors.New(`violates PodSecurity "restricted:latest"`)), Held},
		"a quota, which comes later": {apierrors.NewForbidden(pods, "x", errors.New("exceeded quota: x")), Unclear},
		"an invalid object":          {apierrors.NewBadRequest("unknown field"), Unclear},
		"a name that is taken":       {apierrors.NewAlreadyExists(pods, "x"), Unclear},
		"an unknown kind":            {&meta.NoKindMatchError{GroupKind: schema.GroupKind{Kind: "X"}}, Untried},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, _, err := judge(test.err)
			if got != test.want || err != nil {
				t.Errorf("got %v, %v, want %v", got, err, test.want)
			}
		})
	}
	if _, _, err := judge(errors.New("connection refused")); err == nil {
		t.Error("a cluster that does not answer is taken for an answer")
	}
}

func TestFlagsAreFoundAsTheyAreWritten(t *testing.T) {
	for _, test := range []struct {
		arguments []string
		flag      string
		want      bool
	}{
		{[]string{"--no-remote-bases=true"}, "--no-remote-bases=true", true},
		{[]string{"--no-remote-bases"}, "--no-remote-bases=true", true},
		{[]string{"-no-remote-bases"}, "--no-remote-bases=true", true},
		{[]string{"--no-remote-bases=false"}, "--no-remote-bases=true", false},
		{[]string{"--no-remote-bases=true", "--no-remote-bases=false"}, "--no-remote-bases=true", false},
		{[]string{"--no-remote"}, "--no-remote-bases=true", false},
		{[]string{"--default-service-account=default"}, "--default-service-account=", true},
		{[]string{"--default-service-account", "default"}, "--default-service-account=", true},
		{[]string{"--default-service-account="}, "--default-service-account=", false},
		{nil, "--default-service-account=", false},
	} {
		if got := hasFlag(test.arguments, test.flag); got != test.want {
			t.Errorf("%v has %s: %v, want %v", test.arguments, test.flag, got, test.want)
		}
	}
}
