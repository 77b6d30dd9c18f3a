package api

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/assay-gitops/assay/internal/hub/auth"
	"github.com/assay-gitops/assay/internal/hub/store"
	"github.com/assay-gitops/assay/internal/words"
)

// busyFor is how long somebody should wait who came when there was too much to do.
const busyFor = 2 * time.Second

// problem is the answer to a request that failed, as application/problem+json. What is nobody's business but the operator's goes to the log.
func (s *service) problem(ctx context.Context, doing string, err error) error {
	var refusal *auth.Refusal
	switch {
	case errors.As(err, &refusal):
		return s.refused(ctx, refusal)
	case errors.Is(err, store.ErrNotFound):
		return huma.Error404NotFound("there is no such violation, or it is not for you to see; violations are forgotten some time after they were resolved")
	case errors.Is(err, store.ErrCursor):
		return huma.Error400BadRequest("the cursor is not of this list: begin again without one, and keep order and filters the same from page to page")
	case errors.Is(err, store.ErrInvalid):
		return huma.Error422UnprocessableEntity(words.OneLine(err.Error(), maxFault))
	case errors.Is(err, store.ErrUnavailable):
		s.logger.ErrorContext(ctx, "the store is away", "doing", doing, "error", err, "request", requestID(ctx))
		return after(huma.Error503ServiceUnavailable("the store of the hub is away: what the cluster has now is answered, what was found is not, and agents keep what they send until it is back"), busyFor)
	case errors.Is(err, context.Canceled):
		return huma.NewError(statusClientGone, "the client went away")
	case errors.Is(err, context.DeadlineExceeded):
		s.logger.WarnContext(ctx, "a request took too long", "doing", doing, "request", requestID(ctx))
		return after(huma.Error503ServiceUnavailable("this took longer than "+requestTimeout.String()+": ask for less, by a filter or a shorter time"), busyFor)
	}
	s.logger.ErrorContext(ctx, "a request failed", "doing", doing, "error", err, "request", requestID(ctx))
	return huma.Error500InternalServerError("the hub failed; its log says more about request " + requestID(ctx))
}

// statusClientGone is what logs and metrics show of a request whose client did not wait.
const statusClientGone = 499

func (s *service) refused(ctx context.Context, refusal *auth.Refusal) error {
	switch refusal.Reason {
	case auth.Unauthenticated:
		header := http.Header{"Www-Authenticate": {`Bearer realm="assay-hub"`}}
		if s.auth.HasPasswords() && !note(ctx).script {
			header.Add("Www-Authenticate", `Basic realm="assay-hub", charset="UTF-8"`)
		}
		return huma.ErrorWithHeaders(huma.Error401Unauthorized(refusal.Detail), header)
	case auth.Forbidden:
		return huma.Error403Forbidden(refusal.Detail)
	case auth.Throttled:
		return after(huma.Error429TooManyRequests(refusal.Detail), refusal.Wait)
	default:
		s.logger.ErrorContext(ctx, "who sends a request could not be found out", "error", refusal, "request", requestID(ctx))
		return after(huma.Error503ServiceUnavailable(refusal.Detail), busyFor)
	}
}

// after tells the client when to try again.
func after(err error, wait time.Duration) error {
	return huma.ErrorWithHeaders(err, http.Header{"Retry-After": {strconv.Itoa(max(1, int(wait.Round(time.Second).Seconds())))}})
}

// write is for those who have no operation to return a problem from.
func (s *service) write(ctx huma.Context, err error) {
	var headers huma.HeadersError
	if errors.As(err, &headers) {
		for name, values := range headers.GetHeaders() {
			for _, value := range values {
				ctx.AppendHeader(name, value)
			}
		}
	}
	var problem huma.StatusError
	if !errors.As(err, &problem) {
		problem = huma.NewError(http.StatusInternalServerError, "the hub failed")
	}
	var details []error
	var model *huma.ErrorModel
	detail := problem.Error()
	if errors.As(err, &model) {
		detail = model.Detail
		for _, d := range model.Errors {
			details = append(details, d)
		}
	}
	if err := huma.WriteErr(s.api, ctx, problem.GetStatus(), detail, details...); err != nil {
		s.logger.DebugContext(ctx.Context(), "an answer could not be written", "error", err)
	}
}

// writeProblem is for what is not an operation at all.
func writeProblem(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	// Who does not take the answer has gone.
	_ = huma.DefaultJSONFormat.Marshal(w, &huma.ErrorModel{Status: status, Title: http.StatusText(status), Detail: detail})
}
