package agent

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.37.0"

	"github.com/assay-gitops/assay/internal/agentconfig"
)

// startTracing sends traces by OTLP to the endpoint of the configuration; without one it does nothing. What it returns sends
// what is left and ends it.
func startTracing(ctx context.Context, c *agentconfig.Config, version string) (func(context.Context), error) {
	if c.Tracing.Endpoint == "" {
		return func(context.Context) {}, nil
	}
	exporter, err := newExporter(ctx, c.Tracing)
	if err != nil {
		return nil, fmt.Errorf("setting up traces to %s: %w", c.Tracing.Endpoint, err)
	}
	provider := trace.NewTracerProvider(
		trace.WithBatcher(exporter),
		trace.WithSampler(trace.ParentBased(trace.TraceIDRatioBased(c.Tracing.SampleRatio))),
		trace.WithResource(resource.NewWithAttributes(semconv.SchemaURL, semconv.ServiceName("policy-agent"), semconv.ServiceVersion(version))),
	)
	otel.SetTracerProvider(provider)
	otel.SetTextMapPropagator(propagation.TraceContext{})
	return func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, c.Shutdown.Timeout)
		defer cancel()
		if err := provider.Shutdown(ctx); err != nil {
			otel.Handle(err)
		}
	}, nil
}

// newExporter speaks HTTP to a URL and gRPC to a host and port. A URL without a path gets the one that the protocol gives to traces
// (https://opentelemetry.io/docs/specs/otlp/#otlphttp-request).
func newExporter(ctx context.Context, c agentconfig.Tracing) (trace.SpanExporter, error) {
	if strings.Contains(c.Endpoint, "://") {
		endpoint, err := url.Parse(c.Endpoint)
		if err != nil {
			return nil, err
		}
		if endpoint.Path == "" {
			endpoint.Path = "/v1/traces"
		}
		return otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(endpoint.String()))
	}
	options := []otlptracegrpc.Option{otlptracegrpc.WithEndpoint(c.Endpoint)}
	if c.Insecure {
		options = append(options, otlptracegrpc.WithInsecure())
	}
	return otlptracegrpc.New(ctx, options...)
}
