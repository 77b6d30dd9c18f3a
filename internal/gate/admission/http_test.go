package admission

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/util/webhook"

	"github.com/assay-gitops/assay/engine"
)

func TestRequestsThatCannotBeRead(t *testing.T) {
	valid := string(reviewJSON(t, asked(t, compliant, "")))
	with := func(old, changed string) string {
		if !strings.Contains(valid, old) {
			t.Fatalf("the review has no %s", old)
		}
		return strings.Replace(valid, old, changed, 1)
	}
	nested := func(depth int) string {
		return with(`"replicas":3`, `"replicas":3,"x":`+strings.Repeat("[", depth)+strings.Repeat("]", depth))
	}
	for name, test := range map[string]struct {
		method, contentType, body string
		code                      int
		says                      string
	}{
		"nothing":                    {body: "", code: 400, says: "the request has no body"},
		"no JSON":                    {body: "hello", code: 400, says: "the body is no admission review"},
		"JSON that ends":             {body: valid[:len(valid)-9], code: 400, says: "the body is no admission review"},
		"JSON with more behind":      {body: valid + "{}", code: 400, says: "the body is no admission review"},
		"a list":                     {body: "[]", code: 400, says: "the body is no admission review"},
		"null":                       {body: "null", code: 400, says: `a "" of apiVersion ""`},
		"an object":                  {body: `{"apiVersion":"v1","kind":"Pod"}`, code: 400, says: `a "Pod" of apiVersion "v1"`},
		"an old review":              {body: with("admission.k8s.io/v1", "admission.k8s.io/v1beta1"), code: 400, says: "set admissionReviewVersions: [v1]"},
		"no request":                 {body: `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}`, code: 400, says: "has no request"},
		"a response":                 {body: `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"x","allowed":true}}`, code: 400, says: "has no request"},
		"no uid":                     {body: with(`"uid":"7b5c"`, `"uid":""`), code: 400, says: "has no uid"},
		"no resource":                {body: with(`"resource":"deployments"`, `"resource":""`), code: 400, says: "has no resource"},
		"an unknown operation":       {body: with("CREATE", "PATCH"), code: 400, says: `operation "PATCH"`},
		"no object":                  {body: with(`"object":{`, `"other":{`), code: 400, says: "of a CREATE has no object"},
		"an object that is a list":   {body: with(`"object":{`, `"object":[],"other":{`), code: 400, says: "reading the object"},
		"an old object that is text": {body: with(`"oldObject":null`, `"oldObject":"x"`), code: 400, says: "reading the oldObject"},
		"metadata that is text":      {body: with(`"metadata":{`, `"metadata":"x","other":{`), code: 400, says: "metadata is no map"},
		"a number out of range":      {body: with(`"replicas":3`, `"replicas":1e999`), code: 400, says: "reading the object"},
		"an object of 1,100 levels":  {body: nested(1100), code: 400, says: "nested deeper than 1000 levels"},
		"an object of 20,000 levels": {body: nested(20000), code: 400, says: "the body is no admission review"},
		"an object of 900 levels":    {body: nested(900), code: 200},
		"a body of 9 MiB":            {body: with("nginx", strings.Repeat("x", 9<<20)), code: 413, says: "larger than 8 MiB"},
		"YAML":                       {contentType: "application/yaml", body: "a: b", code: 415, says: `content type "application/yaml"`},
		"no content type":            {contentType: "-", body: valid, code: 415, says: `content type ""`},
		"a charset":                  {contentType: "application/json; charset=utf-8", body: valid, code: 200},
		"GET":                        {method: http.MethodGet, code: 405, says: `method "GET" is not allowed`},
	} {
		t.Run(name, func(t *testing.T) {
			for _, known := range []bool{true, false} { // the length, by Content-Length
				s := newStage(t, policies(t)...)
				s.Brake = func() (string, bool) { return "", false }
				r := httptest.NewRequest(http.MethodPost, "/admission", strings.NewReader(test.body))
				if test.method != "" {
					r.Method = test.method
				}
				if !known {
					r.ContentLength = -1
				}
				switch test.contentType {
				case "":
					r.Header.Set("Content-Type", "application/json")
				case "-":
				default:
					r.Header.Set("Content-Type", test.contentType)
				}
				w := httptest.NewRecorder()
				Validating(s.Options).ServeHTTP(w, r)
				got := read(t, w)
				if got.code != test.code || got.status != nil && !strings.Contains(got.status.Message, test.says) {
					t.Errorf("got %d %+v, want %d that says %q", got.code, got.status, test.code, test.says)
				}
				if s.log.Len() > 0 {
					t.Errorf("logged what anybody can send: %s", s.log.String())
				}
			}
		})
	}
}

// A sender that says a lot is coming and sends nothing must not keep anything busy for longer than an answer may take.
func TestDawdlingSendersAreCutOff(t *testing.T) {
	s := newStage(t, policies(t)...)
	s.Timeout = func() time.Duration { return 300 * time.Millisecond }
	server := httptest.NewServer(Validating(s.Options))
	defer server.Close()
	body, sender := io.Pipe()
	defer sender.Close()
	go func() { _, _ = sender.Write([]byte(`{"apiVersion":`)) }()
	r, err := http.NewRequest(http.MethodPost, server.URL+"/admission", body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	response, err := (&http.Client{Timeout: time.Minute}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusRequestTimeout {
		t.Errorf("got %s", response.Status)
	}
}

// What the API server makes of the answers, with the client that it calls webhooks with.
func TestTheAPIServerUnderstandsTheAnswers(t *testing.T) {
	s := newStage(t, policies(t)...)
	snapshot := s.Snapshot()
	server := httptest.NewTLSServer(Validating(s.Options))
	defer server.Close()
	manager, err := webhook.NewClientManager([]schema.GroupVersion{admissionv1.SchemeGroupVersion}, admissionv1.AddToScheme)
	if err != nil {
		t.Fatal(err)
	}
	resolver, err := webhook.NewDefaultAuthenticationInfoResolver("")
	if err != nil {
		t.Fatal(err)
	}
	manager.SetAuthenticationInfoResolver(resolver)
	manager.SetServiceResolver(webhook.NewDefaultServiceResolver())
	call := func(o Options, path string) (*admissionv1.AdmissionReview, error) {
		server.Config.Handler = Validating(o)
		client, err := manager.HookClient(webhook.ClientConfig{
			Name: "admission.agent.weaveworks", URL: server.URL + path, CABundle: pemOf(server.Certificate()),
		})
		if err != nil {
			t.Fatal(err)
		}
		request := &admissionv1.AdmissionReview{}
		if err := json.Unmarshal(reviewJSON(t, asked(t, deployment, "")), request); err != nil {
			t.Fatal(err)
		}
		response := &admissionv1.AdmissionReview{}
		err = client.Post().Body(request).Timeout(60 * time.Second).Do(context.Background()).Into(response)
		return response, err
	}
	review, err := call(s.Options, "/admission/fail")
	if err != nil || review.Response == nil || review.Response.Allowed || !strings.Contains(review.Response.Result.Message, "weave.policies.privileged") {
		t.Errorf("a denial: %+v, %v", review, err)
	}
	o := s.Options
	o.Snapshot = func() *engine.Snapshot { return nil }
	if _, err = call(o, "/admission/fail"); err == nil || !strings.Contains(err.Error(), "policies are not compiled yet: assay has started a moment ago") {
		t.Errorf("before there are policies: %v", err)
	}
	o.Snapshot = func() *engine.Snapshot { return snapshot }
	o.Namespace = func(context.Context, string) (map[string]any, error) { return nil, io.ErrUnexpectedEOF }
	if _, err = call(o, "/admission/ignore"); err == nil || !strings.Contains(err.Error(), "reading the namespace shop of the object") {
		t.Errorf("without the namespace: %v", err)
	}
}

func pemOf(certificate *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Raw})
}
