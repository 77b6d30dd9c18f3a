package terraform

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"time"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/policy"
)

// Handler answers POST requests whose body is a Terraform object with its plan in status.tfplan, or a plan alone, by
//
//	{"passed": true, "violations": null}
//
// passed is false when a violation of an enforced policy is found, or when an enforced policy that fails closed
// (failurePolicy Fail) could not be evaluated; violations has what was found of all policies, each with enforced. Other
// answers are 400, 401, 405, 408, 413, 415, 500, 503 and 504 with a sentence as text.
func Handler(o Options) http.Handler {
	o.setDefaults()
	return &handler{Options: o, slots: make(chan struct{}, o.MaxConcurrent)}
}

type handler struct {
	Options
	// slots bounds the requests that are read and judged at once.
	slots chan struct{}
}

// ServeHTTP answers one request.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(r.Context(), h.Timeout)
	defer cancel()
	if err := h.admit(w, r); err != nil {
		h.writeFailure(w, r, err)
		return
	}
	var d Decision
	answer, err := h.answer(ctx, w, r, began, &d)
	d.Took, d.Err = time.Since(began), err
	h.record(r.Context(), d)
	if err != nil {
		h.writeFailure(w, r, err)
		return
	}
	h.write(w, r, answer)
}

// admit refuses what is no business of the gate.
func (h *handler) admit(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return fail(http.StatusMethodNotAllowed, "method %.20q is not allowed: send the plan by POST", r.Method)
	}
	return h.authenticate(w, r)
}

// answer reads and judges a request, and completes the decision on it.
func (h *handler) answer(ctx context.Context, w http.ResponseWriter, r *http.Request, began time.Time, d *Decision) (answer reply, err error) {
	defer func() {
		// What one request provokes must not end the process for all others.
		if cause := recover(); cause != nil {
			h.Logger.ErrorContext(ctx, "judging a plan panicked", "namespace", d.Namespace, "name", d.Name, "panic", cause, "stack", string(debug.Stack()))
			d.Passed, d.Braked = false, false
			answer, err = reply{}, fail(http.StatusInternalServerError, "internal error of assay while it judged the plan: its log has the details")
		}
	}()
	snapshot := h.Snapshot()
	if snapshot == nil {
		return reply{}, fail(http.StatusServiceUnavailable, "policies are not compiled yet: assay has started a moment ago; try again")
	}
	select {
	case h.slots <- struct{}{}:
		defer func() { <-h.slots }()
	case <-ctx.Done():
		return reply{}, fail(http.StatusServiceUnavailable, "assay is judging %d plans at once, as many as it may, and none ended in time for this one; try again", h.MaxConcurrent)
	}
	object, err := h.read(w, r, began.Add(h.Timeout))
	if err != nil {
		return reply{}, err
	}
	d.Object, d.Namespace, d.Name = object, object.Namespace(), object.Name()
	request := &policy.Request{Object: object, Mode: v2.ModeTFAdmission}
	if d.Namespace != "" && h.Namespace != nil {
		// Not knowing the namespace would be laxer without anybody seeing it: policies that select by its labels would not act.
		if request.Namespace, err = h.Namespace(ctx, d.Namespace); err != nil {
			return reply{}, fail(http.StatusInternalServerError, "reading the namespace %.63s, which policies depend on: %w", d.Namespace, err)
		}
	}
	verdict := snapshot.Judge(ctx, request)
	d.Results, d.Evaluated = verdict.Results, verdict.Evaluated
	answer = h.replyTo(verdict.Results, object, time.Now())
	if reason, on := h.Brake(); on {
		d.Braked = !answer.Passed || verdict.Err != nil
		answer.Passed, answer.Brake = true, "emergency brake is on"
		if reason != "" {
			answer.Brake += ": " + reason
		}
	} else if verdict.Err != nil && answer.Passed {
		// What is refused already is refused whatever the rest would have found.
		return reply{}, fail(http.StatusGatewayTimeout, "not all policies were evaluated within %s: %w", h.Timeout, verdict.Err)
	}
	d.Passed = answer.Passed
	return answer, nil
}

// record tells of a decision. A recorder that fails is no reason to fail a request.
func (h *handler) record(ctx context.Context, d Decision) {
	defer func() {
		if cause := recover(); cause != nil {
			h.Logger.ErrorContext(ctx, "recording a decision on a plan panicked", "namespace", d.Namespace, "name", d.Name, "panic", cause, "stack", string(debug.Stack()))
		}
	}()
	h.Record(ctx, d)
}

func (h *handler) writeFailure(w http.ResponseWriter, r *http.Request, err error) {
	f := &failure{http.StatusInternalServerError, err}
	errors.As(err, &f)
	if f.code >= http.StatusInternalServerError {
		h.Logger.WarnContext(r.Context(), "a plan could not be judged", "code", f.code, "error", err)
	} else {
		// Whoever reaches the port can send these, and the sender hears of it.
		h.Logger.DebugContext(r.Context(), "a request for a verdict on a plan was refused", "code", f.code, "error", err, "remote", r.RemoteAddr)
	}
	if f.code == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "5")
	}
	http.Error(w, f.Error(), f.code)
}

func (h *handler) write(w http.ResponseWriter, r *http.Request, answer reply) {
	encoded, err := json.Marshal(answer)
	if err != nil {
		// Nothing that is in a reply can fail to be JSON.
		h.writeFailure(w, r, fmt.Errorf("writing the reply: %w", err))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if _, err := w.Write(append(encoded, '\n')); err != nil {
		h.Logger.DebugContext(r.Context(), "the caller did not wait for the reply", "error", err)
	}
}
