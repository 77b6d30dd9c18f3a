package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// standInVariable makes this test's program the stand-in: a webhook that refuses everything, with its pod's name. By it the
// node and the network are tested without the agent.
const standInVariable = "ASSAY_E2E_STAND_IN"

// standIn serves the webhook with the certificate of a mounted Secret, and says that it is ready on another port. Told to be
// a job, it prints what it was given and ends.
func standIn() error {
	if os.Getenv("AS_JOB") != "" {
		fmt.Println(os.Args[1:], os.Getenv("GOMEMLIMIT"))
		return nil
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	hook := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var review admissionv1.AdmissionReview
		if err := json.NewDecoder(r.Body).Decode(&review); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		review.Response = &admissionv1.AdmissionResponse{UID: review.Request.UID, Result: &metav1.Status{Message: "refused by " + os.Getenv("POD_NAME")}}
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(review) //nolint:errcheck // whoever asked is gone
	})
	certificates := os.Args[1]
	webhook := &http.Server{Addr: ":" + os.Getenv("WEBHOOK_PORT"), Handler: hook, TLSConfig: &tls.Config{
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			c, err := tls.LoadX509KeyPair(filepath.Join(certificates, "tls.crt"), filepath.Join(certificates, "tls.key"))
			return &c, err
		},
	}}
	// Every request finds its pod anew.
	webhook.SetKeepAlivesEnabled(false)
	// It is as ready as a mounted file says.
	ready := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		said, err := os.ReadFile(os.Args[2])
		if err != nil || string(said) != "yes" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}

	})
	probes := &http.Server{Addr: ":" + os.Getenv("PROBES_PORT"), Handler: ready}
	errs := make(chan error, 2)
	go func() { errs <- webhook.ListenAndServeTLS("", "") }()
	go func() { errs <- probes.ListenAndServe() }()
	select {
	case err := <-errs:
		return err
	case <-ctx.Done():
	}
	time.Sleep(time.Second) // until everybody knows that the pod goes
	bound, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return errors.Join(webhook.Shutdown(bound), probes.Shutdown(bound))
}

// selfSigned makes a certificate for a name, and its key.
func selfSigned(t *testing.T, name string) (certificate, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: encoded})
}
