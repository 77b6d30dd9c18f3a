package objects

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

var pods = Resource{GroupVersionResource: schema.GroupVersionResource{Version: "v1", Resource: "pods"}, Kind: "Pod", Namespaced: true, Watchable: true}

// script is an API server whose answers are written down: what a real one says only once in a while (the end-to-end tests read from
// a real one).
type script struct {
	t  *testing.T
	mu sync.Mutex
	// answers are given in turn. Each is a request, as "list", "list <continue>", "watch <version>" or "stream", and what is said.
	answers []answer
	done    chan struct{}
}

type answer struct {
	request string
	write   func(w http.ResponseWriter)
}

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	request := strings.TrimSpace("list " + q.Get("continue"))
	switch {
	case q.Get("sendInitialEvents") == "true":
		request = "stream"
	case q.Get("watch") != "":
		request = "watch " + q.Get("resourceVersion")
	}
	s.mu.Lock()
	var next answer
	if len(s.answers) > 0 {
		next, s.answers = s.answers[0], s.answers[1:]
	}
	last := len(s.answers) == 0
	s.mu.Unlock()
	if next.request != request {
		s.t.Errorf("asked %q, expected %q", request, next.request)
		http.Error(w, "unexpected", http.StatusTeapot)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	next.write(w)
	if last {
		close(s.done)
	}
	if last && !strings.HasPrefix(request, "list") {
		w.(http.Flusher).Flush()
		<-r.Context().Done() // a watch stays open
	}
}

func pod(name, version string) string {
	return fmt.Sprintf(`{"apiVersion":"v1","kind":"Pod","metadata":{"name":%q,"uid":"uid-%[1]s","resourceVersion":%q}}`, name, version)
}

func says(texts ...string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		for _, text := range texts {
			fmt.Fprintln(w, text)
		}
	}
}

func page(next, version string, pods ...string) func(http.ResponseWriter) {
	return says(fmt.Sprintf(`{"apiVersion":"v1","kind":"PodList","metadata":{"continue":%q,"resourceVersion":%q},"items":[%s]}`, next, version, strings.Join(pods, ",")))
}

func event(kind, object string) string {
	return fmt.Sprintf(`{"type":%q,"object":%s}`, kind, object)
}

func fails(err *apierrors.StatusError) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		if d := err.ErrStatus.Details; d != nil && d.RetryAfterSeconds > 0 {
			w.Header().Set("Retry-After", fmt.Sprint(d.RetryAfterSeconds))
		}
		w.WriteHeader(int(err.ErrStatus.Code))
		err.ErrStatus.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}
		_ = json.NewEncoder(w).Encode(err.ErrStatus) //nolint:errcheck // a client that is gone
	}
}

func expired() *apierrors.StatusError { return apierrors.NewResourceExpired("too old") }

const bookmark = `{"type":"BOOKMARK","object":{"apiVersion":"v1","kind":"Pod","metadata":{"resourceVersion":"20","annotations":{"k8s.io/initial-events-end":"true"}}}}`

func unstreamable() answer {
	return answer{"stream", fails(apierrors.NewInvalid(schema.GroupKind{Kind: "ListOptions"}, "", nil))}
}

func TestFollow(t *testing.T) {
	for name, test := range map[string]struct {
		answers []answer
		// want are the events; "error …" is how it ended.
		want string
	}{
		"a list that is streamed goes on as a watch, and watches end": {
			[]answer{
				{"stream", says(event("ADDED", pod("a", "1")), event("ADDED", pod("b", "2")), bookmark, event("MODIFIED", pod("a", "21")))},
				{"watch 21", says(event("DELETED", pod("b", "22")))},
				{"watch 22", says(event("ADDED", pod("c", "23")))},
			},
			"listed a, listed b, complete, changed a, deleted b, changed c",
		},
		"a server that does not stream is asked for pages": {
			[]answer{
				unstreamable(), {"list", page("next", "9", pod("a", "1"))}, {"list next", page("", "9", pod("b", "2"))},
				{"watch 9", says(event("ADDED", pod("c", "10")))},
			},
			"restarted, listed a, listed b, complete, changed c",
		},
		"a continuation that expired begins anew": {
			[]answer{
				unstreamable(), {"list", page("next", "9", pod("a", "1"))}, {"list next", fails(expired())},
				{"list", page("", "12", pod("b", "11"))}, {"watch 12", says()},
			},
			"restarted, listed a, restarted, listed b, complete",
		},
		"a stream that breaks off is paged": {
			[]answer{{"stream", says(event("ADDED", pod("a", "1")))}, {"list", page("", "9", pod("a", "1"))}, {"watch 9", says()}},
			"listed a, restarted, listed a, complete",
		},
		"a server that throttles is left alone for a while": {
			[]answer{
				{"stream", fails(apierrors.NewTooManyRequests("slow down", 1))}, {"stream", fails(apierrors.NewTooManyRequestsError("slow down"))},
				{"stream", says(event("ADDED", pod("a", "1")), bookmark)},
			},
			"listed a, complete",
		},
		"changes that the server does not know any more": {
			[]answer{
				{"stream", says(bookmark, event("MODIFIED", pod("a", "21")))},
				{"watch 21", says(event("ERROR", `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Expired","code":410,"message":"too old"}`))},
			},
			"complete, changed a, error expired",
		},
		"what may not be read": {
			[]answer{
				{"stream", fails(apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "", errors.New("no")))},
				{"list", fails(apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "", errors.New("no")))},
			},
			"restarted, error forbidden",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reader, s := scripted(t, test.answers)
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			var got []string
			want := strings.Split(test.want, ", ")
			err := reader.Follow(ctx, pods, func(e Event) error {
				text := []string{"listed", "restarted", "complete", "changed", "deleted"}[e.Change]
				if e.Object != nil {
					text += " " + e.Object.GetName()
				}
				if got = append(got, text); len(got) == len(want) && !strings.HasPrefix(want[len(want)-1], "error") {
					go func() { <-s.done; cancel() }()
				}
				return nil
			})
			switch {
			case apierrors.IsResourceExpired(err):
				got = append(got, "error expired")
			case apierrors.IsForbidden(err):
				got = append(got, "error forbidden")
			case !errors.Is(err, context.Canceled):
				t.Errorf("it ended with %v", err)
			}
			if strings.Join(got, ", ") != test.want {
				t.Errorf("got  %s\nwant %s", strings.Join(got, ", "), test.want)
			}
			if len(s.answers) > 0 {
				t.Errorf("%d answers were not asked for", len(s.answers))
			}
		})
	}
}

func scripted(t *testing.T, answers []answer) (*Reader, *script) {
	t.Helper()
	s := &script{t: t, answers: answers, done: make(chan struct{})}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	client, err := dynamic.NewForConfig(&rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	return &Reader{Client: client}, s
}

func TestListVisitsEachObjectOnce(t *testing.T) {
	reader, _ := scripted(t, []answer{
		unstreamable(), {"list", page("next", "9", pod("a", "1"))}, {"list next", fails(expired())}, {"list", page("next", "12", pod("a", "1"))},
		{"list next", page("", "12", pod("b", "11"))}, {"none", nil},
	})
	var got []string
	err := reader.List(t.Context(), pods, "", func(o *unstructured.Unstructured) error {
		got = append(got, o.GetName())
		return nil
	})
	if err != nil || strings.Join(got, " ") != "a b" {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestAServerThatIgnoresStreamingIsPaged(t *testing.T) {
	// It takes the request for a watch, and there are no changes.
	over := make(chan struct{})
	reader, _ := scripted(t, []answer{
		{"stream", func(w http.ResponseWriter) {
			w.(http.Flusher).Flush()
			<-over
		}},
		{"list", page("", "9", pod("a", "1"))}, {"none", nil},
	})
	t.Cleanup(func() { close(over) }) // before the server ends, which waits for it
	reader.Silence = 10 * time.Millisecond
	seen := 0
	err := reader.List(t.Context(), pods, "", func(*unstructured.Unstructured) error { seen++; return nil })
	if err != nil || seen != 1 || reader.streams(pods) {
		t.Errorf("%d objects, %v, streamed again: %t", seen, err, reader.streams(pods))
	}
}

func TestVisitEndsTheList(t *testing.T) {
	reader, _ := scripted(t, []answer{{"stream", says(event("ADDED", pod("a", "1")), event("ADDED", pod("b", "2")), bookmark)}, {"none", nil}})
	stop := errors.New("enough")
	seen := 0
	if err := reader.List(t.Context(), pods, "", func(*unstructured.Unstructured) error { seen++; return stop }); !errors.Is(err, stop) || seen != 1 {
		t.Errorf("%d objects, %v", seen, err)
	}
}
