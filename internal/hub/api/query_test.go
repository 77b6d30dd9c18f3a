package api

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/assay-gitops/assay/internal/hub/store/storetest"
	"github.com/assay-gitops/assay/internal/sink"
)

// names of the objects in a list.
func names(t *testing.T, b *bed, query string) []string {
	t.Helper()
	var found []string
	for _, v := range ask[Violations](t, b, platform, "/v1/violations?"+query).Items {
		found = append(found, v.Object.Name)
	}
	return found
}

func TestFilters(t *testing.T) {
	b := newBed(t)
	b.add(t, "here",
		storetest.Result("a1", storetest.Object("Deployment", "shop", "a")),
		storetest.Result("b1", storetest.Object("Job", "bank", "b"), storetest.After(time.Hour), storetest.Admission(false), storetest.Policy("other", "Other", "security", "high")),
		storetest.Result("c1", storetest.Object("ClusterRole", "", "c"), storetest.After(2*time.Hour), func(r *sink.Result) { r.App, r.Workspace = nil, "" }),
	)
	b.add(t, "there", storetest.Result("d1", storetest.Object("Deployment", "shop", "d"), storetest.After(3*time.Hour), storetest.Accepted("known")))
	from := storetest.Start.Add(time.Hour).UTC().Format(time.RFC3339Nano)
	for query, want := range map[string]string{
		"":                                   "d c b a",
		"cluster=here":                       "c b a",
		"cluster=here&cluster=there":         "d c b a",
		"namespace=shop":                     "d a",
		"namespace=":                         "c",
		"namespace=&namespace=bank":          "c b",
		"workspace=team-shop&cluster=here":   "b a",
		"app=Kustomization/flux-system/apps": "d b a",
		"kind=Job&kind=ClusterRole":          "c b",
		"name=a&name=d":                      "d a",
		"policy=other":                       "b",
		"category=security":                  "b",
		"severity=high":                      "b",
		"standard=soc2":                      "d c a",
		"control=soc2/1.1":                   "d c a",
		"gate=admission":                     "b",
		"status=excepted":                    "d",
		"status=open&status=excepted":        "d c b a",
		"enforced=true":                      "",
		"enforced=false&cluster=there":       "d",
		"from=" + url.QueryEscape(from):      "d c b",
		"to=" + url.QueryEscape(from):        "a",
		"text=OTHER":                         "b",
		"order=object":                       "c a d b",
		"order=firstSeen&ascending=true":     "a b c d",
		"order=severity&limit=1":             "b",
		"namespace=nowhere":                  "",
	} {
		got := names(t, b, query)
		if query == "order=object" {
			// How objects are ordered is the store's.
			slices.Sort(got)
			want = "a b c d"
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: got %v, want %s", query, got, want)
		}
	}
}

func TestQuestionsThatMakeNoSenseSayWhy(t *testing.T) {
	b := newBed(t)
	for query, want := range map[string]struct {
		status int
		says   string
	}{
		"/v1/violations?polcy=x":                                           {400, "did you mean policy?"},
		"/v1/violations?cluster=a&Cluster=b":                               {400, "query.Cluster"},
		"/v1/violations?limit=0":                                           {422, "query.limit"},
		"/v1/violations?limit=1001":                                        {422, "1000"},
		"/v1/violations?limit=x":                                           {422, "invalid integer"},
		"/v1/violations?limit=1&limit=2":                                   {400, "several times"},
		"/v1/violations?order=name":                                        {422, "lastSeen"},
		"/v1/violations?severity=urgent":                                   {422, "high"},
		"/v1/violations?status=open&status=shut":                           {422, "resolved"},
		"/v1/violations?from=yesterday":                                    {422, "query.from"},
		"/v1/violations?to=":                                               {400, "it is empty"},
		"/v1/violations?gate=":                                             {400, "it is empty"},
		"/v1/violations?from=2026-03-02T00:00:00Z&to=2026-03-01T00:00:00Z": {422, "not after from"},
		"/v1/violations?cursor=x":                                          {400, "begin again without one"},
		"/v1/violations?a=%zz":                                             {400, "not well-formed"},
		"/v1/violations?a;b":                                               {400, "not well-formed"},
		"/v1/violations?text=" + strings.Repeat("x", 201):                  {422, "query.text"},
		"/v1/violations?" + strings.Repeat("kind=x&", 101):                 {400, "more than 100 times"},
		"/v1/violations?name=" + strings.Repeat("x", 20000):                {414, "16384"},
		"/v1/violations/x":                                                 {404, "no such violation"},
		"/v1/violations/x/history":                                         {404, "no such violation"},
		"/v1/violations/x?gate=audit":                                      {400, "no such parameter"},
		"/v1/timeline?from=2020-01-01T00:00:00Z":                           {422, "a year at a time"},
		"/v1/timeline?from=2030-01-01T00:00:00Z":                           {422, "in the future"},
		"/v1/summary?status=open&status=resolved":                          {422, "what is open"},
		"/v1/summary?status=resolved":                                      {422, "what is open"},
		"/v1/facets?dimension=color":                                       {422, "namespace"},
		"/v1/export?format=xlsx":                                           {422, "ndjson"},
	} {
		got := b.get(t, platform, query)
		if got.status != want.status {
			t.Errorf("%.80s: %d, want %d: %s", query, got.status, want.status, got.body)
			continue
		}
		if says := got.problem(t); !strings.Contains(says, want.says) {
			t.Errorf("%.80s: %q does not say %q", query, says, want.says)
		}
	}
}

func TestPagesFollowEachOther(t *testing.T) {
	b := newBed(t)
	for i := range 7 {
		b.add(t, "here", storetest.Result(fmt.Sprint("r", i), storetest.Object("Deployment", "shop", fmt.Sprint("web-", i)), storetest.After(time.Duration(i)*time.Minute)))
	}
	var found []string
	next := "/v1/violations?limit=3&kind=Deployment&order=firstSeen"
	pages := 0
	for next != "" {
		got := b.get(t, tenant, next)
		if got.status != http.StatusOK {
			t.Fatal(got.body)
		}
		for _, v := range ask[Violations](t, b, tenant, next).Items {
			found = append(found, v.Object.Name)
		}
		next = ""
		if link := got.header.Get("Link"); link != "" {
			var ok bool
			if next, ok = strings.CutSuffix(strings.TrimPrefix(link, "<"), `>; rel="next"`); !ok {
				t.Fatalf("the link is %s", link)
			}
		}
		pages++
	}
	if want := "web-6 web-5 web-4 web-3 web-2 web-1 web-0"; pages != 3 || strings.Join(found, " ") != want {
		t.Errorf("%d pages: %v", pages, found)
	}
}

func TestFacetsAreThoseAskedFor(t *testing.T) {
	b := newBed(t)
	b.seed(t)
	got := ask[Facets](t, b, platform, "/v1/facets?dimension=kind&dimension=cluster&limit=1").Facets
	if len(got) != 2 || len(got["kind"]) != 1 || got["kind"][0] != (Count{"Deployment", 5}) {
		t.Errorf("got %+v", got)
	}
	if got := ask[Facets](t, b, tenant, "/v1/facets").Facets; len(got) != len(dimensions()) {
		t.Errorf("got %+v", got)
	}
}

// FuzzQuery asks with any query: there is always an answer, and it is never that the hub failed.
func FuzzQuery(f *testing.F) {
	for _, seed := range []string{
		"", "cluster=a&cluster=b&namespace=&limit=3", "order=severity&ascending=true&cursor=AAAA", "from=2026-01-01T00:00:00Z&to=9999-12-31T23:59:59Z",
		"text=%00%ff&enforced=true&status=open", "cursor=" + strings.Repeat("A", 1990), "limit=99999999999999999999", "from=0001-01-01T00:00:00Z", "dimension=kind",
	} {
		for i := range 4 {
			f.Add(i, seed)
		}
	}
	b := newBed(f)
	b.seed(f)
	f.Fuzz(func(t *testing.T, which int, query string) {
		paths := []string{violationsPath, "/v1/facets", "/v1/timeline", "/v1/summary"}
		request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, paths[uint(which)%uint(len(paths))], nil)
		request.URL.RawQuery = query
		request.Header.Set("Authorization", "Bearer "+tenant)
		recorder := httptest.NewRecorder()
		b.handler.ServeHTTP(recorder, request)
		switch recorder.Code {
		case 200, 400, 414, 422:
		default:
			t.Errorf("%d %s", recorder.Code, recorder.Body)
		}
		if strings.Contains(recorder.Body.String(), foreign) && !strings.Contains(strings.ToLower(query), foreign[:2]) {
			t.Errorf("it tells of what is foreign: %s", recorder.Body)
		}
	})
}

func TestWhatIsNewAndWhatIsAcceptedIsFound(t *testing.T) {
	b := newBed(t)
	named := func(name string) func(*sink.Result) { return storetest.Object("Deployment", "shop", name) }
	b.add(t, "here",
		storetest.Result("old", named("old")), storetest.Result("old-again", named("old"), storetest.After(50*time.Hour), storetest.Life(sink.Unchanged, "")),
		storetest.Result("new", named("new"), storetest.After(48*time.Hour)),
		storetest.Result("accepted", named("accepted"), storetest.After(48*time.Hour), storetest.Accepted("legacy")),
	)
	since := storetest.Start.Add(48 * time.Hour).Format(time.RFC3339Nano)
	for query, want := range map[string][]string{
		"firstFrom=" + since:                  {"accepted", "new"},
		"firstFrom=" + since + "&status=open": {"new"},
		"firstTo=" + since:                    {"old"},
		"exception=legacy":                    {"accepted"},
		"exception=":                          {"new", "old"},
		"exception=other":                     {},
	} {
		got := []string{}
		for _, v := range ask[Violations](t, b, platform, "/v1/violations?order=object&"+query).Items {
			got = append(got, v.Object.Name)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", query, got, want)
		}
		lines := strings.Count(b.get(t, platform, "/v1/export?format=ndjson&"+query).body, "\n")
		if lines != len(want) {
			t.Errorf("%s: %d are exported, want %d", query, lines, len(want))
		}
	}
	if facets := ask[Facets](t, b, tenant, "/v1/facets?dimension=exception").Facets["exception"]; !slices.Equal(facets, []Count{{"legacy", 1}}) {
		t.Errorf("got %v", facets)
	}
	if got := b.get(t, platform, "/v1/violations?firstFrom=2026-11-02T00:00:00Z&firstTo=2026-11-01T00:00:00Z"); got.status != http.StatusUnprocessableEntity {
		t.Errorf("got %d %s", got.status, got.body)
	}
}
