package policies

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"runtime"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/engine"
	"github.com/assay-gitops/assay/internal/gate/review"
	"github.com/assay-gitops/assay/policy"
)

// Options of the handler. Its functions are called from many goroutines.
type Options struct {
	// Sources are what the snapshot in force was made of; false before there is one.
	Sources func() (engine.Sources, *engine.Snapshot, bool)
	// Compile are the options that the snapshot in force was compiled with.
	Compile func() engine.Options
	// Timeout of an answer; DefaultTimeout when nil or not positive. What the API server says in the request wins when
	// that is shorter.
	Timeout func() time.Duration
	// Logger hears of failures of the gate itself; may be nil.
	Logger *slog.Logger
	// MaxConcurrent is how many objects are compiled at once, others wait; one for each processor when zero.
	MaxConcurrent int
}

// DefaultTimeout of an answer.
const DefaultTimeout = 10 * time.Second

// Handler answers admission reviews of Policies, PolicySets, PolicyConfigs and PolicyExceptions.
func Handler(o Options) http.Handler {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.MaxConcurrent <= 0 {
		o.MaxConcurrent = runtime.GOMAXPROCS(0)
	}
	return &gate{options: o, logger: o.Logger.With("webhook", "policies"), slots: make(chan struct{}, o.MaxConcurrent)}
}

type gate struct {
	options Options
	logger  *slog.Logger
	// slots bounds how many are compiled at once; a compilation that goes on after its deadline keeps its slot.
	slots chan struct{}
}

// ServeHTTP answers one review. What could not be judged is an HTTP error, so that failurePolicy decides.
func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	ctx, timeout, cancel := review.Due(r, g.timeout())
	defer cancel()
	asked, err := review.Read(w, r, began.Add(timeout))
	if err != nil {
		review.WriteFailure(w, r, err, g.logger)
		return
	}
	response, err := g.answer(ctx, asked.Request)
	if err != nil {
		review.WriteFailure(w, r, err, g.logger)
		return
	}
	review.Write(w, r, asked, response, g.logger)
}

func (g *gate) answer(ctx context.Context, asked *review.Request) (*admissionv1.AdmissionResponse, error) {
	if asked.Operation != policy.Create && asked.Operation != policy.Update || asked.SubResource != "" {
		return allowed(nil), nil
	}
	object, before, err := decode(asked)
	if err != nil {
		return nil, err
	}
	if before != nil && reflect.DeepEqual(specOf(object), specOf(before)) {
		return allowed(nil), nil // a label of Flux, a finalizer: what was let in stays
	}
	found, err := g.judge(ctx, object)
	if err != nil {
		return nil, err
	}
	return found.response(asked.Kind.Kind, asked.Name), nil
}

func (g *gate) timeout() time.Duration {
	if g.options.Timeout != nil {
		if t := g.options.Timeout(); t > 0 {
			return t
		}
	}
	return DefaultTimeout
}

// judge compiles the object together with what is in force, and tells what is wrong with it.
func (g *gate) judge(ctx context.Context, object any) (findings, error) {
	sources, previous, ready := g.options.Sources()
	if !ready {
		return nil, review.Fail(http.StatusServiceUnavailable, metav1.StatusReasonServiceUnavailable,
			"policies are not compiled yet: assay has started a moment ago; try again")
	}
	select {
	case g.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, review.Fail(http.StatusServiceUnavailable, metav1.StatusReasonServiceUnavailable,
			"other policies are being compiled, and did not end in time: %w", context.Cause(ctx))
	}
	type outcome struct {
		found findings
		err   error
	}
	done := make(chan outcome, 1)
	go func() {
		defer func() { <-g.slots }()
		found, err := g.compile(context.WithoutCancel(ctx), sources, previous, object)
		done <- outcome{found, err}
	}()
	select {
	case o := <-done:
		return o.found, o.err
	case <-ctx.Done():
		// Compilers cannot be interrupted.
		return nil, review.Fail(http.StatusGatewayTimeout, metav1.StatusReasonTimeout, "the object did not compile in time: %w", context.Cause(ctx))
	}
}

func (g *gate) compile(ctx context.Context, sources engine.Sources, previous *engine.Snapshot, object any) (found findings, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("internal error of assay while it compiled the object: %v", cause)
		}
	}()
	options := g.options.Compile()
	options.Previous = previous
	snapshot, problems, err := engine.Compile(ctx, with(sources, object), options)
	if err != nil {
		return nil, err
	}
	for _, p := range problems {
		switch {
		case p.Source == object:
			found = append(found, p)
		case p.Other == object:
			found = append(found, turned(p, object))
		}
	}
	return append(found, more(snapshot, object)...), nil
}

// decode reads the object that is applied and, at an update, the one that was there.
func decode(asked *review.Request) (object, before any, err error) {
	object, ok := empty(asked.Kind.Kind)
	if !ok || asked.Kind.Group != v2.GroupVersion.Group {
		return nil, nil, review.BadRequest("%.60s of group %.60q is none of the kinds that are judged here", asked.Kind.Kind, asked.Kind.Group)
	}
	if err := json.Unmarshal(asked.Object, object); err != nil {
		return nil, nil, review.BadRequest("reading the %s: %w", asked.Kind.Kind, err)
	}
	if asked.Operation == policy.Update && len(asked.OldObject) > 0 {
		old, _ := empty(asked.Kind.Kind)
		if json.Unmarshal(asked.OldObject, old) == nil {
			before = old
		}
	}
	return object, before, nil
}

func empty(kind string) (any, bool) {
	switch kind {
	case "Policy":
		return &v2.Policy{}, true
	case "PolicySet":
		return &v2.PolicySet{}, true
	case "PolicyConfig":
		return &v2.PolicyConfig{}, true
	case "PolicyException":
		return &v2.PolicyException{}, true
	}
	return nil, false
}

func specOf(object any) any {
	switch o := object.(type) {
	case *v2.Policy:
		return o.Spec
	case *v2.PolicySet:
		return o.Spec
	case *v2.PolicyConfig:
		return o.Spec
	case *v2.PolicyException:
		return o.Spec
	}
	return nil
}

// with puts the object into the sources: in the place of the one of its name, or at the end, where one that is new belongs.
func with(sources engine.Sources, object any) engine.Sources {
	switch o := object.(type) {
	case *v2.Policy:
		sources.Policies = replaced(sources.Policies, o)
	case *v2.PolicySet:
		sources.Sets = replaced(sources.Sets, o)
	case *v2.PolicyConfig:
		sources.Configs = replaced(sources.Configs, o)
	case *v2.PolicyException:
		sources.Exceptions = replaced(sources.Exceptions, o)
	}
	return sources
}

func replaced[P metav1.Object](all []P, object P) []P {
	changed := make([]P, 0, len(all)+1)
	found := false
	for _, o := range all {
		if o.GetName() == object.GetName() {
			o, found = object, true
		}
		changed = append(changed, o)
	}
	if !found {
		changed = append(changed, object)
	}
	return changed
}
