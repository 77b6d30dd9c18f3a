package admission

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"runtime/debug"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/assay-gitops/assay/engine"
	"github.com/assay-gitops/assay/internal/gate/review"
	"github.com/assay-gitops/assay/internal/words"
	"github.com/assay-gitops/assay/policy"
)

// judge is what the two webhooks differ in.
type judge interface {
	// judge answers a request that came by the path, and completes the decision on it.
	judge(ctx context.Context, path string, snapshot *engine.Snapshot, request *policy.Request, d *Decision) (*admissionv1.AdmissionResponse, error)
	// despite is an answer that allows a request which could not be judged, or nil where the error is the answer.
	despite(err error) *admissionv1.AdmissionResponse
}

// handler does what both webhooks have in common.
type handler struct {
	Options
	webhook string
	// slots bounds the requests that are judged at once.
	slots chan struct{}
	judge judge
}

func newHandler(o Options, webhook string) *handler {
	o.setDefaults()
	return &handler{
		Options: o, webhook: webhook,
		slots: make(chan struct{}, o.MaxConcurrent),
	}
}

// ServeHTTP answers one review.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	ctx, timeout, cancel := review.Due(r, h.timeout())
	defer cancel()
	logger := h.Logger.With("webhook", h.webhook)
	asked, err := review.Read(w, r, began.Add(timeout))
	if err != nil {
		review.WriteFailure(w, r, err, logger)
		return
	}
	d := decisionOn(asked.Request, h.webhook)
	response, err := h.answer(ctx, r.URL.Path, asked.Request, &d)
	d.Took = time.Since(began)
	if err != nil {
		d.Err = err
	}
	h.record(r.Context(), d)
	if err != nil {
		review.WriteFailure(w, r, err, logger)
		return
	}
	review.Write(w, r, asked, response, logger)
}

// answer decides on a request, or fails.
func (h *handler) answer(ctx context.Context, path string, asked *review.Request, d *Decision) (*admissionv1.AdmissionResponse, error) {
	if isExempt(asked, h.exempt()) {
		d.Exempt, d.Allowed = true, true
		return &admissionv1.AdmissionResponse{Allowed: true}, nil
	}
	response, err := h.judgeReview(ctx, path, asked, d)
	if err == nil {
		return response, nil
	}
	response = h.judge.despite(err)
	if response == nil {
		return nil, err
	}
	d.Err, d.Allowed = err, true
	h.Logger.WarnContext(ctx, "a request was allowed though it could not be judged", "webhook", h.webhook, "request", d.String(), "error", err)
	return response, nil
}

func (h *handler) judgeReview(ctx context.Context, path string, asked *review.Request, d *Decision) (response *admissionv1.AdmissionResponse, err error) {
	defer func() {
		// What one request provokes must not end the process for all others.
		if cause := recover(); cause != nil {
			h.Logger.ErrorContext(ctx, "judging a request panicked", "webhook", h.webhook, "request", d.String(), "panic", panicText(cause), "stack", string(debug.Stack()))
			response, err = nil, review.Fail(http.StatusInternalServerError, metav1.StatusReasonInternalError,
				"internal error of assay while it judged the request: its log has the details")
		}
	}()
	select {
	case h.slots <- struct{}{}:
		defer func() { <-h.slots }()
	case <-ctx.Done():
		return nil, review.Fail(http.StatusServiceUnavailable, metav1.StatusReasonServiceUnavailable,
			"assay is judging %d requests at once, as many as it may, and none ended in time for this one: %w", cap(h.slots), context.Cause(ctx))
	}
	snapshot := h.snapshot()
	if snapshot == nil {
		return nil, review.Fail(http.StatusServiceUnavailable, metav1.StatusReasonServiceUnavailable,
			"policies are not compiled yet: assay has started a moment ago; try again")
	}
	request, err := h.request(ctx, asked)
	if err != nil {
		return nil, err
	}
	d.Object, d.Name = request.Object, entityOf(request.Object).name
	return h.judge.judge(ctx, path, snapshot, request, d)
}

// panicText is what is logged of a panic. The values of panics that are not the runtime's may have parts of an object in
// them, and with them secrets; the stack says where it was.
func panicText(cause any) string {
	if err, ok := cause.(runtime.Error); ok {
		return err.Error()
	}
	return fmt.Sprintf("a value of type %T", cause)
}

// record tells of a decision. A recorder that fails is no reason to fail a request.
func (h *handler) record(ctx context.Context, d Decision) {
	if h.Record == nil {
		return
	}
	defer func() {
		if cause := recover(); cause != nil {
			h.Logger.ErrorContext(ctx, "recording a decision panicked", "request", d.String(), "panic", panicText(cause), "stack", string(debug.Stack()))
		}
	}()
	h.Record(ctx, d)
}

// String says of which request the decision is.
func (d *Decision) String() string {
	resource := d.Resource
	if d.Subresource != "" {
		resource += "/" + d.Subresource
	}
	name := d.Name
	if d.Namespace != "" {
		name = d.Namespace + "/" + name
	}
	return words.OneLine(fmt.Sprintf("%s %s %s", d.Operation, resource, name), maxEntity)
}
