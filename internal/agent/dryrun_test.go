package agent

import (
	"context"
	"log/slog"
	"testing"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/internal/agentconfig"
	"github.com/assay-gitops/assay/internal/gate/admission"
	"github.com/assay-gitops/assay/internal/kube/fluxrevision"
	"github.com/assay-gitops/assay/internal/sink"
	"github.com/assay-gitops/assay/internal/sink/sinktest"
	"github.com/assay-gitops/assay/policy"
)

func TestWhichDecisionsAreWrittenDown(t *testing.T) {
	const flux, person = "system:serviceaccount:flux-system:kustomize-controller", "jane"
	for name, test := range map[string]struct {
		change func(d *admission.Decision)
		want   int
	}{
		"a denial":                    {func(*admission.Decision) {}, 1},
		"a warning":                   {func(d *admission.Decision) { d.Allowed = true }, 1},
		"the mutating webhook's":      {func(d *admission.Decision) { d.Webhook = "mutating" }, 0},
		"Flux's dry run is denied":    {func(d *admission.Decision) { d.DryRun = true }, 1},
		"Flux's dry run is admitted":  {func(d *admission.Decision) { d.DryRun, d.Allowed = true, true }, 0},
		"a person's dry run":          {func(d *admission.Decision) { d.DryRun, d.User = true, person }, 0},
		"a dry run of no application": {func(d *admission.Decision) { d.DryRun = true; delete(d.Results[0].Object.Content, "metadata") }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			j := sinktest.Journal(t, t.TempDir())
			r := &results{
				config: &agentconfig.Config{}, sinks: []gateSink{{gate: sink.Admission}}, revisions: fluxrevision.New(fluxrevision.Options{}),
				metrics: newInstruments("test", func() bool { return true }, nil), logger: slog.New(slog.DiscardHandler),
			}
			r.journal.Store(j)
			violated := &v2.Policy{}
			violated.Spec.ID = "p"
			object := &policy.Object{Content: map[string]any{"metadata": map[string]any{"labels": map[string]any{
				"kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux-system",
			}}}}
			d := admission.Decision{Webhook: admission.ValidatingWebhook, User: flux, Results: []policy.Result{{Policy: violated, Object: object, Status: policy.Violation, Enforced: true}}}
			test.change(&d)
			r.admitted(t.Context(), d, func(context.Context, string) string { return "" })
			if s := j.Stats(); int(s.Newest+1-s.Oldest) != test.want {
				t.Errorf("%+v, want %d records", s, test.want)
			}
		})
	}
}
