package e2e

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// The policies that the load is about: one fails closed, for ConfigMaps, one open, for Secrets. What they find bad is so under
// every value of the parameter of the first, which changes during one of the tests.
const (
	closedPolicy = "e2e.closed"
	openPolicy   = "e2e.open"
)

func loadPolicies() []string {
	return []string{
		policyOf(closedPolicy, "!has(object.data) || object.data['is'] != 'bad' && object.data['is'] != params.value",
			`targets: {kinds: [ConfigMap]}`, `parameters: [{name: value, type: string, required: true, value: v0}]`),
		// Secrets hold "bad" in base64.
		policyOf(openPolicy, "!has(object.data) || object.data['is'] != 'YmFk'", `targets: {kinds: [Secret]}`, "failurePolicy: Ignore"),
	}
}

// load asks about objects that are good and objects that are bad, without pause, and counts the answers.
type load struct {
	client kubernetes.Interface
	// right are verdicts that are as they must be, wrong those that never may be: a denial of what is good, an admission of what
	// is bad under the policy that fails closed.
	right, wrong atomic.Int64
	// failed are errors about what fails closed, failedOpen those about what fails open, and passed is what is bad and was
	// admitted because nobody judged it.
	failed, failedOpen, passed atomic.Int64
	// lastWrong and lastFailed say what the last of each was.
	lastWrong, lastFailed atomic.Value
	stop                  context.CancelFunc
	all                   sync.WaitGroup
}

// tolerance is what may happen besides right verdicts.
type tolerance struct {
	// unanswered requests: errors about what fails closed, and what fails open passes.
	unanswered bool
	// unreachable API server: errors about what fails open too.
	unreachable bool
}

var none = tolerance{}

func startLoad(t *testing.T) *load {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	config := shared.Config()
	config.WarningHandler = rest.NoWarnings{}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	l := &load{client: client, stop: stop}
	for worker := range 4 {
		l.all.Go(func() {
			for i := worker; ctx.Err() == nil; i++ {
				l.ask(ctx, i%2 == 1, i%8 >= 6)
				pauseFor(ctx, 5*time.Millisecond)
			}
		})
	}
	t.Cleanup(func() { stop(); l.all.Wait() })
	return l
}

// ask asks one question and counts its answer.
func (l *load) ask(ctx context.Context, bad, open bool) {
	is, policy := "good", closedPolicy
	if bad {
		is = "bad"
	}
	meta, dryRun := metav1.ObjectMeta{Namespace: "guarded", Name: "x"}, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}
	var err error
	if open {
		policy = openPolicy
		_, err = l.client.CoreV1().Secrets(meta.Namespace).Create(ctx, &corev1.Secret{ObjectMeta: meta, StringData: map[string]string{"is": is}}, dryRun)
	} else {
		_, err = l.client.CoreV1().ConfigMaps(meta.Namespace).Create(ctx, &corev1.ConfigMap{ObjectMeta: meta, Data: map[string]string{"is": is}}, dryRun)
	}
	denied := err != nil && strings.Contains(err.Error(), "Policy\t: "+policy+"\n")
	switch {
	case ctx.Err() != nil:
	case bad == denied && (denied || err == nil):
		l.right.Add(1)
	case bad && err == nil && open:
		l.passed.Add(1)
	case err == nil || denied || isDenial(err):
		l.wrong.Add(1)
		l.lastWrong.Store(fmt.Sprintf("bad %t, fails open %t: %v", bad, open, err))
	case open:
		l.failedOpen.Add(1)
		l.lastFailed.Store(err.Error())
	default:
		l.failed.Add(1)
		l.lastFailed.Store(err.Error())
	}
}

// isDenial tells whether a webhook answered that it refuses; when nobody answered, the API server reports an internal error.
func isDenial(err error) bool {
	var status apierrors.APIStatus
	return errors.As(err, &status) && strings.Contains(err.Error(), "denied the request")
}

func pauseFor(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// end stops the load and checks it: never a wrong verdict, and errors only where they are tolerated.
func (l *load) end(t *testing.T, tolerated tolerance) {
	t.Helper()
	l.stop()
	l.all.Wait()
	t.Logf("%d right answers, %d errors, %d errors of what fails open, %d unjudged", l.right.Load(), l.failed.Load(), l.failedOpen.Load(), l.passed.Load())
	if n := l.wrong.Load(); n != 0 {
		t.Errorf("%d wrong verdicts, the last: %v", n, l.lastWrong.Load())
	}
	if l.right.Load() == 0 {
		t.Error("no right answer at all")
	}
	if n := l.failed.Load(); n != 0 && !tolerated.unanswered {
		t.Errorf("%d requests failed, the last: %v", n, l.lastFailed.Load())
	}
	if n := l.failedOpen.Load(); n != 0 && !tolerated.unreachable {
		t.Errorf("%d requests failed that fail open, the last: %v", n, l.lastFailed.Load())
	}
	if n := l.passed.Load(); n != 0 && !tolerated.unanswered {
		t.Errorf("%d bad objects passed because nobody judged them", n)
	}
}

// more waits until the load has got so many right answers more.
func (l *load) more(t *testing.T, n int64) {
	t.Helper()
	want := l.right.Load() + n
	eventually(t, "right answers", func() error {
		if got := l.right.Load(); got < want {
			return fmt.Errorf("%d of %d; %d failed, the last: %v", got, want, l.failed.Load()+l.failedOpen.Load(), l.lastFailed.Load())
		}
		return nil
	})
}
