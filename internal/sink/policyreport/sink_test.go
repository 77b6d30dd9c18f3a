package policyreport

import (
	"strings"
	"testing"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/assay-gitops/assay/internal/sink"
)

func TestOptionsAreChecked(t *testing.T) {
	client := dynamic.NewForConfigOrDie(&rest.Config{Host: "https://127.0.0.1:1"})
	for want, o := range map[string]Options{
		"need a client": {},
		`API "other" of policy reports does not exist: use openreports or wgpolicy`: {Client: client, API: "other"},
		`scope "all" of policy reports does not exist: use object or namespace`:     {Client: client, Scope: "all"},
	} {
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want …%s…", err, want)
		}
	}
}

func TestWithoutAnAPIServerResultsWait(t *testing.T) {
	s, err := New(Options{Client: dynamic.NewForConfigOrDie(&rest.Config{Host: "https://127.0.0.1:1"})})
	if err != nil {
		t.Fatal(err)
	}
	admitted := found(1, func(r *sink.Result) { r.Gate = sink.Admission })
	outcomes := s.Send(t.Context(), []sink.Item{{Result: found(0, nil)}, {Result: admitted}, {Result: found(2, func(r *sink.Result) { r.Validation.Entity.ID = "a/b" })}})
	for i, want := range []sink.State{sink.Retry, sink.Useless, sink.Refused} {
		if outcomes[i].State != want {
			t.Errorf("%d: %+v", i, outcomes[i])
		}
	}
}
