package agent

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"go.opentelemetry.io/otel"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/assay-gitops/assay/internal/agentconfig"
)

// traces receives what is exported, as a collector does: by gRPC, and by HTTP at /v1/traces.
type traces struct {
	collector.UnimplementedTraceServiceServer
	got chan *collector.ExportTraceServiceRequest
}

func (r *traces) Export(_ context.Context, in *collector.ExportTraceServiceRequest) (*collector.ExportTraceServiceResponse, error) {
	r.got <- in
	return &collector.ExportTraceServiceResponse{}, nil
}

func (r *traces) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(request.Body)
	in := &collector.ExportTraceServiceRequest{}
	if err != nil || request.URL.Path != "/v1/traces" || proto.Unmarshal(body, in) != nil {
		http.Error(w, "not a request to export traces", http.StatusNotFound)
		return
	}
	r.got <- in
	w.Header().Set("Content-Type", "application/x-protobuf")
}

func TestTracesArriveByGRPCAndHTTP(t *testing.T) {
	received := &traces{got: make(chan *collector.ExportTraceServiceRequest, 10)}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	byGRPC := grpc.NewServer()
	collector.RegisterTraceServiceServer(byGRPC, received)
	go byGRPC.Serve(listener) //nolint:errcheck // it ends with the test
	t.Cleanup(byGRPC.Stop)
	byHTTP := httptest.NewServer(received)
	t.Cleanup(byHTTP.Close)

	for _, endpoint := range []string{listener.Addr().String(), byHTTP.URL, byHTTP.URL + "/v1/traces"} {
		t.Run(endpoint, func(t *testing.T) {
			config := &agentconfig.Config{
				Tracing:  agentconfig.Tracing{Endpoint: endpoint, Insecure: true, SampleRatio: 1},
				Shutdown: agentconfig.Shutdown{Timeout: time.Minute},
			}
			end, err := startTracing(t.Context(), config, "v1.2.3")
			if err != nil {
				t.Fatal(err)
			}
			_, span := otel.Tracer("test").Start(t.Context(), "/admission")
			span.End()
			end(t.Context())
			select {
			case in := <-received.got:
				spans := in.GetResourceSpans()[0]
				if name := spans.GetScopeSpans()[0].GetSpans()[0].GetName(); name != "/admission" {
					t.Errorf("a span of the name %q", name)
				}
				var service string
				for _, a := range spans.GetResource().GetAttributes() {
					if a.GetKey() == "service.name" {
						service = a.GetValue().GetStringValue()
					}
				}
				if service != "policy-agent" {
					t.Errorf("the service is %q", service)
				}
			default:
				t.Error("nothing arrived")
			}
		})
	}
}
