package webhook_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/assay-gitops/assay/internal/journal"
	"github.com/assay-gitops/assay/internal/sink"
	"github.com/assay-gitops/assay/internal/sink/sinktest"
	"github.com/assay-gitops/assay/internal/sink/webhook"
)

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// receiver takes results, all of a request or none, after checking the signature.
type receiver struct {
	sinktest.Received
	t testing.TB
	// refuse says which it never takes.
	refuse func(id string) bool
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return
	}
	if err := verify(request.Header, body); err != nil {
		r.t.Error(err)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	var message struct{ Results []sink.Result }
	if err := json.Unmarshal(body, &message); err != nil {
		r.t.Error(err)
	}
	var ids []string
	for _, result := range message.Results {
		ids = append(ids, result.Validation.ID)
	}
	if r.refuse != nil && slices.ContainsFunc(ids, r.refuse) {
		http.Error(w, "one of them is bad", http.StatusUnprocessableEntity)
		return
	}
	r.Add(ids...)
}

// verify is the receiver's side of Standard Webhooks, written from the specification.
func verify(header http.Header, body []byte) error {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		return err
	}
	seconds, err := strconv.ParseInt(header.Get("Webhook-Timestamp"), 10, 64)
	if err != nil || time.Since(time.Unix(seconds, 0)).Abs() > 5*time.Minute {
		return fmt.Errorf("timestamp %q", header.Get("Webhook-Timestamp"))
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%d.%s", header.Get("Webhook-Id"), seconds, body)
	for _, signature := range strings.Fields(header.Get("Webhook-Signature")) {
		version, given, _ := strings.Cut(signature, ",")
		sum, err := base64.StdEncoding.DecodeString(given)
		if err == nil && version == "v1" && hmac.Equal(sum, mac.Sum(nil)) {
			return nil
		}
	}
	return fmt.Errorf("no signature in %q is right", header.Get("Webhook-Signature"))
}

func newSink(t testing.TB, url string) *webhook.Sink {
	t.Helper()
	s, err := webhook.New(webhook.Options{URL: url, UserAgent: "assay/test", Secrets: func() ([][]byte, error) {
		key, err := webhook.Secret(secret)
		return [][]byte{[]byte("an older one"), key}, err
	}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func options(t testing.TB, j *journal.Journal, url string) sink.Options {
	return sink.Options{
		Name: "webhook", Sink: newSink(t, url), Journal: j, DeadLetters: filepath.Join(t.TempDir(), "dead"), MaxItems: 50,
		Linger: time.Millisecond, SendTimeout: 200 * time.Millisecond, MinBackoff: time.Millisecond, MaxBackoff: 20 * time.Millisecond, Drain: 10 * time.Millisecond,
	}
}

func TestNothingIsLostWhateverTheServerDoes(t *testing.T) {
	for _, fault := range sinktest.Faults {
		t.Run(string(fault), func(t *testing.T) {
			r := &receiver{t: t}
			m := &sinktest.Misbehaving{Handler: r}
			server := httptest.NewServer(m)
			defer server.Close()
			j := sinktest.Journal(t, t.TempDir())
			o := options(t, j, server.URL)
			o.SendTimeout = time.Second
			sinktest.Append(t, j, 0, 200)
			m.Set(fault)
			runner, stop := sinktest.Run(t, o)
			// While the server misbehaves, gates go on.
			sinktest.Wait(t, "two attempts", func() bool { return m.Hits.Load() >= 2 })
			sinktest.Append(t, j, 200, 400)
			m.Set(sinktest.None)
			sinktest.Wait(t, "the lag to end", func() bool { s := runner.Status(); return s.Lag == 0 && s.Err == nil })
			stop()
			twice := r.Want(t, 0, 400)
			if twice > 0 && fault != sinktest.HalfAnswer && fault != sinktest.Slow {
				t.Errorf("%d came twice", twice)
			}
			if s := runner.Status(); s.Counts[sink.Sent] != 400 || s.Counts[sink.Failed] == 0 || s.Counts[sink.DeadLettered] != 0 {
				t.Errorf("%v", s.Counts)
			}
			t.Logf("%d requests, %d results came twice, %v", m.Hits.Load(), twice, runner.Status().Counts)
		})
	}
}

func TestAServerThatIsGoneIsWaitedFor(t *testing.T) {
	r := &receiver{t: t}
	first := httptest.NewServer(r)
	address := first.Listener.Addr().String()
	first.Close()
	j := sinktest.Journal(t, t.TempDir())
	sinktest.Append(t, j, 0, 100)
	runner, _ := sinktest.Run(t, options(t, j, "http://"+address))
	sinktest.Wait(t, "some attempts", func() bool { return runner.Status().Attempts > 3 })
	if err := runner.Status().Err.Error(); !strings.Contains(err, "sending to the webhook at "+address) || !strings.Contains(err, "refused") {
		t.Error(err)
	}
	second := httptest.NewUnstartedServer(r)
	_ = second.Listener.Close()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Skipf("another process took the port meanwhile: %v", err)
	}
	second.Listener = listener
	second.Start()
	defer second.Close()
	sinktest.Wait(t, "the lag to end", func() bool { return runner.Status().Lag == 0 })
	r.Want(t, 0, 100)
}

func TestWhatTheServerRefusesIsFoundAndTheRestDelivered(t *testing.T) {
	bad := []string{sinktest.ID(7), sinktest.ID(108), sinktest.ID(109), sinktest.ID(299)} // 1 %
	r := &receiver{t: t, refuse: func(id string) bool { return slices.Contains(bad, id) }}
	server := httptest.NewServer(r)
	defer server.Close()
	j := sinktest.Journal(t, t.TempDir())
	o := options(t, j, server.URL)
	o.SendTimeout = time.Minute
	sinktest.Append(t, j, 0, 400)
	runner, _ := sinktest.Run(t, o)
	sinktest.Wait(t, "the lag to end", func() bool { return runner.Status().Lag == 0 })
	if twice := r.Want(t, 0, 400, bad...); twice > 0 {
		t.Errorf("%d came twice", twice)
	}
	dead, err := os.ReadFile(o.DeadLetters)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range bad {
		if !bytes.Contains(dead, []byte(`"id":"`+id+`","reason":"the webhook at `)) {
			t.Errorf("%s is no dead letter", id)
		}
	}
	if n := bytes.Count(dead, []byte("\n")); n != len(bad) {
		t.Errorf("%d dead letters", n)
	}
}

func TestWhatAnswersMean(t *testing.T) {
	date := time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)
	for name, test := range map[string]struct {
		code       int
		retryAfter string
		want       sink.State
		after      time.Duration
	}{
		"200 is delivered":                      {200, "", sink.Delivered, 0},
		"204 too":                               {204, "", sink.Delivered, 0},
		"400 is refused":                        {400, "", sink.Refused, 0},
		"401 may be the secret's fault":         {401, "", sink.Retry, 0},
		"404 may be the URL's":                  {404, "", sink.Retry, 0},
		"a redirect is not followed":            {307, "", sink.Retry, 0},
		"413 is refused":                        {413, "", sink.Refused, 0},
		"429 is for later":                      {429, "7", sink.Retry, 7 * time.Second},
		"500 too":                               {500, "", sink.Retry, 0},
		"503 with a date":                       {503, date, sink.Retry, time.Hour},
		"nonsense in Retry-After is not heeded": {503, "soon", sink.Retry, 0},
		"nor is a negative one":                 {503, "-5", sink.Retry, 0},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Retry-After", test.retryAfter)
				w.Header().Set("Location", "/elsewhere")
				if r.URL.Path != "/hook" {
					t.Errorf("a request for %s", r.URL.Path)
				}
				w.WriteHeader(test.code)
			}))
			defer server.Close()
			got := newSink(t, server.URL+"/hook").Send(t.Context(), []sink.Item{{ID: "x", Raw: []byte("{}")}})[0]
			if got.State != test.want || (got.After-test.after).Abs() > 2*time.Minute || test.after == 0 && got.After != 0 || (got.Err == nil) != (test.want == sink.Delivered) {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestErrorsKeepSecrets(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, err := range map[string]error{
		"path":     newSink(t, "http://127.0.0.1:1/hunter2").Send(ctx, []sink.Item{{}})[0].Err,
		"password": second(webhook.New(webhook.Options{URL: "https://user:hunter2@example.com"})),
		"unread":   second(webhook.New(webhook.Options{URL: "https://user:hunter2@example.com:port/%zz"})),
		"scheme":   second(webhook.New(webhook.Options{URL: "hunter2"})),
		"secret":   second(webhook.Secret("whsec_hunter2!")),
		"empty":    second(webhook.Secret(" \n")),
	} {
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestAnUnreadableSecretSendsNothing(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("something was sent unsigned") }))
	defer server.Close()
	for _, secrets := range []func() ([][]byte, error){
		func() ([][]byte, error) { return nil, errors.New("no such file") },
		func() ([][]byte, error) { return nil, nil },
	} {
		s, err := webhook.New(webhook.Options{URL: server.URL, Secrets: secrets})
		if err != nil {
			t.Fatal(err)
		}
		if o := s.Send(t.Context(), []sink.Item{{}})[0]; o.State != sink.Retry || o.Err == nil {
			t.Errorf("%+v", o)
		}
	}
}

// victim names the folder of the journal and the URL of a process that sends, which a test kills.
const victim = "ASSAY_WEBHOOK_VICTIM"

func TestMain(m *testing.M) {
	if dir, url, found := strings.Cut(os.Getenv(victim), " "); found {
		if err := appendAndSend(dir, url); err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// appendAndSend appends results that it says, beginning with the first that the journal does not have, and sends them.
func appendAndSend(dir, url string) error {
	j, _, err := journal.Open(dir, journal.Options{Sync: journal.SyncNever})
	if err != nil {
		return err
	}
	s, err := webhook.New(webhook.Options{URL: url, Secrets: func() ([][]byte, error) {
		key, err := webhook.Secret(secret)
		return [][]byte{key}, err
	}})
	if err != nil {
		return err
	}
	r, err := sink.NewRunner(sink.Options{Name: "webhook", Sink: s, Journal: j, DeadLetters: dir + ".dead", MaxItems: 20, Linger: time.Millisecond, MinBackoff: time.Millisecond})
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	wg.Go(func() { err = r.Run(context.Background()) })
	for i := int(j.Stats().Newest); ; i++ {
		result := sinktest.Result(i)
		record, err := result.Record()
		if err != nil {
			return err
		}
		if err := j.Append(context.Background(), record); err != nil {
			return err
		}
		_, _ = os.Stdout.WriteString(strconv.Itoa(i) + "\n")
	}
}

func TestKill9OfTheSenderLosesNothing(t *testing.T) {
	r := &receiver{t: t}
	server := httptest.NewServer(r)
	defer server.Close()
	dir := filepath.Join(t.TempDir(), "journal")
	last := -1
	for round := range 4 {
		process := exec.Command(os.Args[0], "-test.run=^$")
		process.Env = append(os.Environ(), victim+"="+dir+" "+server.URL)
		out, err := process.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := process.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			i, err := strconv.Atoi(lines.Text())
			if err != nil {
				t.Error(lines.Text())
			}
			last = max(last, i)
			if n == 150*(round+1) {
				_ = process.Process.Kill()
			}
		}
		_ = process.Wait()
	}
	j := sinktest.Journal(t, dir)
	// The journal may have one that was not acknowledged any more.
	newest := int(j.Stats().Newest)
	if newest < last+1 || newest > last+2 {
		t.Errorf("%d results were acknowledged, the journal has %d", last+1, newest)
	}
	runner, _ := sinktest.Run(t, options(t, j, server.URL))
	sinktest.Wait(t, "the lag to end", func() bool { return runner.Status().Lag == 0 })
	t.Logf("%d results, %d came twice", newest, r.Want(t, 0, newest))
}

// BenchmarkSoak takes results through the journal and the sink; with -benchtime 5000000x it is a soak.
func BenchmarkSoak(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	defer server.Close()
	j := sinktest.Journal(b, b.TempDir())
	o := options(b, j, server.URL)
	o.MaxItems, o.SendTimeout = 500, time.Minute
	runner, _ := sinktest.Run(b, o)
	b.ReportAllocs()
	b.ResetTimer()
	sinktest.Append(b, j, 0, b.N)
	for runner.Status().Lag > 0 {
		time.Sleep(time.Millisecond)
	}
	b.StopTimer()
	if sent := runner.Status().Counts[sink.Sent]; sent != uint64(b.N) {
		b.Errorf("%d of %d were sent", sent, b.N)
	}
	b.ReportMetric(float64(j.Stats().Bytes)/float64(b.N), "disk-B/result")
}
