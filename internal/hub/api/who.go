package api

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/assay-gitops/assay/internal/hub/auth"
	"github.com/assay-gitops/assay/internal/hub/store"
	"github.com/assay-gitops/assay/internal/suggest"
)

const (
	// maxQuery bounds the query of a request, maxValues the values of one filter.
	maxQuery  = 16 << 10
	maxValues = 100
)

type contextKey int

const (
	scopeKey contextKey = iota
	requestKey
	clusterKey
	noteKey
)

// forReaders makes an operation one that readers with a right to violations may use.
func (s *service) forReaders(verb auth.Verb, op huma.Operation) huma.Operation {
	return s.forReadersOf(auth.Violations, verb, op)
}

// forReadersOf makes an operation one that readers with a right to a resource may use.
func (s *service) forReadersOf(resource auth.Resource, verb auth.Verb, op huma.Operation) huma.Operation {
	op.Security = []map[string][]string{{readerToken: {}}, {readerPassword: {}}, {readerSession: {}}}
	op.Errors = append(op.Errors, http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusRequestURITooLong,
		http.StatusUnprocessableEntity, http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusServiceUnavailable)
	slices.Sort(op.Errors)
	op.Middlewares = append(op.Middlewares, func(ctx huma.Context, next func(huma.Context)) {
		request, _ := humago.Unwrap(ctx)
		reader, err := s.auth.Reader(request.WithContext(ctx.Context()), verb, resource)
		if err != nil {
			s.write(ctx, s.problem(ctx.Context(), "finding out who asks", err))
			return
		}
		noted := note(ctx.Context())
		noted.who, noted.way = reader.Name, string(reader.Way)
		if reader.Renewed != nil {
			ctx.AppendHeader("Set-Cookie", reader.Renewed.String())
		}
		next(huma.WithValue(huma.WithValue(ctx, scopeKey, reader.Scope), requestKey, request))
	}, s.strictQuery)
	return op
}

// forAgents makes an operation one that agents may use.
func (s *service) forAgents(op huma.Operation) huma.Operation {
	op.Security = []map[string][]string{{agentToken: {}}}
	op.Errors = append(op.Errors, http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusRequestURITooLong, http.StatusTooManyRequests,
		http.StatusInternalServerError, http.StatusServiceUnavailable)
	slices.Sort(op.Errors)
	op.Middlewares = append(op.Middlewares, func(ctx huma.Context, next func(huma.Context)) {
		request, _ := humago.Unwrap(ctx)
		cluster, err := s.auth.Agent(request.WithContext(ctx.Context()))
		if err != nil {
			s.write(ctx, s.problem(ctx.Context(), "finding out who sends", err))
			return
		}
		noted := note(ctx.Context())
		noted.who, noted.way = "agent of "+cluster, string(auth.ByToken)
		next(huma.WithValue(ctx, clusterKey, cluster))
	}, s.strictQuery)
	return op
}

// scopeOf is what the reader may see; nothing where no operation of readers is running.
func scopeOf(ctx context.Context) store.Scope {
	scope, _ := ctx.Value(scopeKey).(store.Scope)
	return scope
}

// alsoSees is what the reader may list of another resource; false is nothing, or that it could not be found out.
func (s *service) alsoSees(ctx context.Context, resource auth.Resource) (store.Scope, bool) {
	return s.alsoMay(ctx, auth.List, resource)
}

// alsoMay is what the reader may do with another resource; false is nothing, or that it could not be found out.
func (s *service) alsoMay(ctx context.Context, verb auth.Verb, resource auth.Resource) (store.Scope, bool) {
	request, ok := ctx.Value(requestKey).(*http.Request)
	if !ok {
		return store.Scope{}, false
	}
	reader, err := s.auth.Reader(request.WithContext(ctx), verb, resource)
	return reader.Scope, err == nil
}

// strictQuery refuses what would be left out of the question without a word: a misspelt filter must not answer with everything.
func (s *service) strictQuery(ctx huma.Context, next func(huma.Context)) {
	asked := ctx.URL()
	if err := checkQuery(ctx.Operation().Parameters, asked.RawQuery); err != nil {
		s.write(ctx, err)
		return
	}
	next(ctx)
}

func checkQuery(parameters []*huma.Param, query string) error {
	if len(query) > maxQuery {
		return huma.NewError(http.StatusRequestURITooLong, fmt.Sprintf("the query is longer than %d bytes: ask in several requests", maxQuery))
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return huma.Error400BadRequest("the query is not well-formed: " + err.Error())
	}
	known := map[string]*huma.Param{}
	for _, p := range parameters {
		if p.In == "query" {
			known[p.Name] = p
		}
	}
	names := slices.Sorted(maps.Keys(known))
	var faults []error
	for _, name := range slices.Sorted(maps.Keys(values)) {
		parameter, ok := known[name]
		switch {
		case !ok:
			message := "there is no such parameter"
			if near := suggest.Nearest(name, names); len(near) > 0 {
				message += "; did you mean " + strings.Join(near, " or ") + "?"
			} else if len(names) > 0 {
				message += "; there are " + strings.Join(names, ", ")
			}
			faults = append(faults, &huma.ErrorDetail{Location: "query." + name, Message: message})
		case parameter.Schema.Type != huma.TypeArray && len(values[name]) > 1:
			faults = append(faults, &huma.ErrorDetail{Location: "query." + name, Message: "it is given several times and takes one value"})
		case slices.Contains(values[name], "") && !mayBeEmpty(parameter.Schema):
			faults = append(faults, &huma.ErrorDetail{Location: "query." + name, Message: "it is empty: leave it out, or give it a value"})
		case len(values[name]) > maxValues:
			faults = append(faults, &huma.ErrorDetail{Location: "query." + name, Message: fmt.Sprintf("it is given more than %d times", maxValues)})
		}
		if len(faults) == 10 {
			break
		}
	}
	if faults != nil {
		return huma.Error400BadRequest("the query has parameters that cannot be answered", faults...)
	}
	return nil
}

// mayBeEmpty tells whether an empty value is one of a parameter. What huma cannot tell apart, a value that is empty and none, it takes for none.
func mayBeEmpty(schema *huma.Schema) bool {
	if schema.Type == huma.TypeArray {
		schema = schema.Items
	}
	return schema.Type == huma.TypeString && schema.Format == "" && (schema.Enum == nil || slices.Contains(schema.Enum, any("")))
}
