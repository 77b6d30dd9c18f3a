package cluster

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// keys are files with the certificates and keys of a control plane.
type keys struct {
	caCert, caKey, serverCert, serverKey, serviceAccountKey string

	ca     *x509.Certificate
	signer *ecdsa.PrivateKey
}

// validity of certificates: longer than any test, short enough to be worthless afterwards.
const validity = 24 * time.Hour

func newKeys(dir string) (*keys, error) {
	k := &keys{
		caCert: filepath.Join(dir, "ca.crt"), caKey: filepath.Join(dir, "ca.key"), serverCert: filepath.Join(dir, "server.crt"),
		serverKey: filepath.Join(dir, "server.key"), serviceAccountKey: filepath.Join(dir, "service-account.key"),
	}
	var err error
	if k.signer, err = newKey(); err != nil {
		return nil, err
	}
	k.ca = &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "assay-e2e-ca"}, NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(validity),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, k.ca, k.ca, &k.signer.PublicKey, k.signer)
	if err != nil {
		return nil, err
	}
	ca, err := encode(der, k.signer)
	if err != nil {
		return nil, err
	}
	server, err := k.issue(&x509.Certificate{
		Subject: pkix.Name{CommonName: "kube-apiserver"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv4(10, 0, 0, 1)}, DNSNames: []string{"localhost", "kubernetes.default.svc"},
	})
	if err != nil {
		return nil, err
	}
	account, err := newKey()
	if err != nil {
		return nil, err
	}
	accountKey, err := encodeKey(account)
	if err != nil {
		return nil, err
	}
	for file, content := range map[string][]byte{k.caCert: ca.certificate, k.caKey: ca.key, k.serverCert: server.certificate, k.serverKey: server.key, k.serviceAccountKey: accountKey} {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			return nil, err
		}
	}
	return k, nil
}

// pair is a certificate and its key as PEM.
type pair struct{ certificate, key []byte }

func newKey() (*ecdsa.PrivateKey, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }

// issue signs a certificate by the template.
func (k *keys) issue(template *x509.Certificate) (pair, error) {
	key, err := newKey()
	if err != nil {
		return pair{}, err
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, big.NewInt(1<<62)); err != nil {
		return pair{}, err
	}
	template.NotBefore, template.NotAfter = k.ca.NotBefore, k.ca.NotAfter
	der, err := x509.CreateCertificate(rand.Reader, template, k.ca, &key.PublicKey, k.signer)
	if err != nil {
		return pair{}, err
	}
	return encode(der, key)
}

func encode(der []byte, key *ecdsa.PrivateKey) (pair, error) {
	encoded, err := encodeKey(key)
	return pair{pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), encoded}, err
}

func encodeKey(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), nil
}

// writeKubeconfig writes the configuration of a user with a client certificate.
func (k *keys) writeKubeconfig(file, server, user string, groups ...string) error {
	client, err := k.issue(&x509.Certificate{
		Subject: pkix.Name{CommonName: user, Organization: groups}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return fmt.Errorf("making a certificate for %s: %w", user, err)
	}
	return writeKubeconfig(file, server, k.caCert, &clientcmdapi.AuthInfo{ClientCertificateData: client.certificate, ClientKeyData: client.key})
}

func writeKubeconfig(file, server, ca string, user *clientcmdapi.AuthInfo) error {
	bundle, err := os.ReadFile(ca)
	if err != nil {
		return err
	}
	const name = "assay"
	config := clientcmdapi.NewConfig()
	config.Clusters[name] = &clientcmdapi.Cluster{Server: server, CertificateAuthorityData: bundle}
	config.AuthInfos[name] = user
	config.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
	config.CurrentContext = name
	if err := clientcmd.WriteToFile(*config, file); err != nil {
		return fmt.Errorf("writing a kubeconfig: %w", err)
	}
	return nil
}
