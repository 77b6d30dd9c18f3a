package api

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/klauspost/compress/zstd"

	"github.com/assay-gitops/assay/internal/sink"
)

const (
	intakePath = "/v1/intake"
	// MaxBody is how long a request may be, as JSON.
	MaxBody = 32 << 20
	// usualBody is about how long a body is at most, usualRatio how much longer it is than compressed. Longer ones are copied while they grow.
	usualBody, usualRatio = 4 << 20, 8
	// maxWindow is what zstd may look back, and thereby have in memory: what the levels that encoders offer take at most.
	maxWindow = 8 << 20
	// parallelIntakes bounds the memory of requests that are read: what was decoded takes some times as much as the JSON.
	parallelIntakes = 4
	// intakeWait is how long a request waits for its turn, intakeRead how long an agent may take to send it.
	intakeWait = 5 * time.Second
	intakeRead = 20 * time.Second
)

// Batch is what an agent sends.
type Batch struct {
	Version int           `json:"version" enum:"1" doc:"Of this form."`
	Cluster string        `json:"cluster,omitempty" doc:"The cluster that the token is for; another is refused."`
	Results []sink.Result `json:"results" nullable:"false" maxItems:"1000" doc:"As they are in the agent's journal."`
	_       struct{}      `additionalProperties:"false"`
}

// Taken is the answer to an agent.
type Taken struct {
	Added int `json:"added" doc:"How many results were new."`
}

type intakeOutput struct{ Body Taken }

// intakeInput has the request: its body is read by the operation itself, one result after the other.
type intakeInput struct {
	request *http.Request
	writer  http.ResponseWriter
}

// Resolve keeps the request.
func (i *intakeInput) Resolve(ctx huma.Context) []error {
	i.request, i.writer = humago.Unwrap(ctx)
	return nil
}

func (s *service) registerIntake() {
	schema := s.api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[Batch](), true, "")
	huma.Register(s.api, s.forAgents(huma.Operation{
		OperationID: "send-results", Method: http.MethodPost, Path: intakePath, Tags: []string{"Agents"},
		Summary: "Takes results",
		Description: fmt.Sprintf("All of them or none. At most %d results and %d MiB of JSON, which may be compressed with gzip or zstd. "+
			"Sending a result again does no harm.", MaxResults, MaxBody>>20),
		Errors: []int{http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity, http.StatusNotImplemented},
	}), s.intake)
	// Had it been there before, the body would be read and checked, whole and as floating-point numbers.
	s.api.OpenAPI().Paths[intakePath].Post.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"application/json": {Schema: schema}}}
}

func (s *service) intake(ctx context.Context, in *intakeInput) (*intakeOutput, error) {
	cluster, _ := ctx.Value(clusterKey).(string)
	batch, err := s.readBatch(ctx, in)
	if err != nil {
		s.metrics.results.WithLabelValues("refused").Inc()
		return nil, err
	}
	if batch.cluster != "" && batch.cluster != cluster {
		s.metrics.results.WithLabelValues("refused").Add(float64(len(batch.results)))
		return nil, wrongCluster(cluster)
	}
	// None at all are a sign of life.
	added, err := s.store.Add(ctx, cluster, batch.results)
	if err != nil {
		return nil, s.problem(ctx, "keeping results of cluster "+cluster, err)
	}
	s.metrics.results.WithLabelValues("added").Add(float64(added))
	s.metrics.results.WithLabelValues("known").Add(float64(len(batch.results) - added))
	return &intakeOutput{Taken{added}}, nil
}

// wrongCluster is the answer to who sends for another cluster than the token is for.
func wrongCluster(cluster string) error {
	return huma.Error403Forbidden(fmt.Sprintf("the token is for cluster %s, and what was sent says that it is of another: give the agent the name of its cluster, or the token for it", cluster))
}

// readBatch reads the body when it is its turn. The error is a problem.
func (s *service) readBatch(ctx context.Context, in *intakeInput) (*batch, error) {
	var read *batch
	err := s.readBody(ctx, in, func(body *limitedReader) error {
		var text strings.Builder
		text.Grow(int(min(max(in.request.ContentLength, 0)*usualRatio, usualBody)))
		_, err := io.Copy(&text, body)
		if err == nil {
			read, err = decodeBatch(text.String(), &s.policies, s.now())
		}
		if err != nil {
			return badBatch(body, err)
		}
		return nil
	})
	return read, err
}

// readBody has a body read when it is its turn. Errors are problems, those of decode as well.
func (s *service) readBody(ctx context.Context, in *intakeInput, decode func(*limitedReader) error) error {
	media, _, err := mime.ParseMediaType(in.request.Header.Get("Content-Type"))
	if err != nil || media != "application/json" {
		return huma.Error415UnsupportedMediaType("the body must be application/json")
	}
	wait, cancel := context.WithTimeout(ctx, intakeWait)
	defer cancel()
	select {
	case s.intakes <- struct{}{}:
	case <-wait.Done():
		return after(huma.Error503ServiceUnavailable("other agents are sending: try again in a moment"), busyFor)
	}
	defer func() { <-s.intakes }()
	control := http.NewResponseController(in.writer)
	if err := ignoringUnsupported(control.SetReadDeadline(time.Now().Add(intakeRead))); err != nil {
		return s.problem(ctx, "limiting the time of a request", err)
	}
	body := http.MaxBytesReader(in.writer, in.request.Body, MaxBody)
	plain, closePlain, err := decompressed(body, in.request.Header.Values("Content-Encoding"))
	if err != nil {
		return err
	}
	defer closePlain()
	err = decode(&limitedReader{reader: plain, left: MaxBody})
	// The server reads on in the background, and must not take the deadline for the client's end.
	if clearErr := ignoringUnsupported(control.SetReadDeadline(time.Time{})); clearErr != nil {
		return s.problem(ctx, "limiting the time of a request", clearErr)
	}
	return err
}

// badBatch says what is wrong with what an agent sent.
func badBatch(read *limitedReader, err error) error {
	var f *fault
	switch {
	case read.failed != nil:
		return read.problem("the results", ": send them in several requests")
	case !errors.As(err, &f):
		return huma.Error400BadRequest(err.Error())
	}
	var details []error
	if f.result >= 0 {
		details = append(details, &huma.ErrorDetail{Location: fmt.Sprintf("body.results[%d]", f.result), Message: f.says()})
	}
	switch f.kind {
	case unknownVersion:
		// No fault of the results: agents keep them, and send them again until the hub is upgraded.
		return huma.Error501NotImplemented("the agent is newer than the hub, which must be upgraded first: "+f.Error(), details...)
	case tooMany:
		return huma.NewError(http.StatusRequestEntityTooLarge, f.Error())
	case invalid:
		return huma.Error422UnprocessableEntity("none of the results was taken, because of one: "+f.Error(), details...)
	default:
		return huma.Error400BadRequest("the body is not a batch of results: "+f.Error(), details...)
	}
}

// decompressed is the body as JSON. The second answer gives back what reading it needs.
func decompressed(body io.Reader, encodings []string) (io.Reader, func(), error) {
	encoding := strings.ToLower(strings.TrimSpace(strings.Join(encodings, ",")))
	switch encoding {
	case "", "identity":
		return body, func() {}, nil
	case "gzip":
		reader, err := gzip.NewReader(body)
		if err != nil {
			return nil, nil, huma.Error400BadRequest("the body is not gzip, as its Content-Encoding says: " + err.Error())
		}
		// What it could complain of at its end, reading has found.
		return reader, func() { _ = reader.Close() }, nil
	case "zstd":
		reader, err := zstd.NewReader(body, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderMaxMemory(MaxBody))
		if err != nil {
			return nil, nil, huma.Error400BadRequest("the body is not zstd, as its Content-Encoding says: " + err.Error())
		}
		return reader, reader.Close, nil
	}
	return nil, nil, huma.ErrorWithHeaders(huma.Error415UnsupportedMediaType("the Content-Encoding must be gzip or zstd, or none"), http.Header{"Accept-Encoding": {"gzip, zstd"}})
}

var errTooLong = errors.New("too long")

// limitedReader fails when there is more than what is left, and remembers what failed: decoders rewrite errors. It fills what it is given: a
// JSON decoder looks at white space again from its beginning whenever some more has come, and decompression gives little at a time.
type limitedReader struct {
	reader io.Reader
	left   int64
	failed error
}

// problem of a body that could not be read.
func (l *limitedReader) problem(what, instead string) error {
	var long *http.MaxBytesError
	if errors.Is(l.failed, errTooLong) || errors.As(l.failed, &long) {
		return huma.NewError(http.StatusRequestEntityTooLarge, fmt.Sprintf("%s are more than %d MiB of JSON%s", what, MaxBody>>20, instead))
	}
	return huma.Error400BadRequest("the body could not be read to its end: " + l.failed.Error())
}

func (l *limitedReader) Read(p []byte) (n int, err error) {
	if l.failed != nil {
		return 0, l.failed
	}
	if int64(len(p)) > l.left+1 {
		p = p[:l.left+1]
	}
	for n < len(p) && err == nil {
		var more int
		more, err = l.reader.Read(p[n:])
		n += more
	}
	if int64(n) > l.left {
		n, err = int(l.left), errTooLong
	}
	l.left -= int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		l.failed = err
	}
	return n, err
}
