package cluster

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	discoverylisters "k8s.io/client-go/listers/discovery/v1"
)

// network carries connections of the API server to Services and pods: it is the proxy of the API server's egress selector
// (KEP-1281, protocol HTTPConnect over a Unix socket), and chooses a pod as kube-proxy does, by EndpointSlices.
type network struct {
	ctx      context.Context
	socket   string
	listener net.Listener
	factory  informers.SharedInformerFactory
	services corelisters.ServiceLister
	slices   discoverylisters.EndpointSliceLister
	running  sync.WaitGroup

	mutex sync.Mutex
	// hosts tells on which port of the host a pod's port is, by "address:port".
	hosts map[string]int
	// carried counts connections by what was asked for.
	carried map[string]int
}

func newNetwork(ctx context.Context, client kubernetes.Interface, socket string) (*network, error) {
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return nil, fmt.Errorf("listening for the API server: %w", err)
	}
	n := &network{ctx: ctx, socket: socket, listener: listener, factory: informers.NewSharedInformerFactory(client, 0), hosts: map[string]int{}, carried: map[string]int{}}
	n.services, n.slices = n.factory.Core().V1().Services().Lister(), n.factory.Discovery().V1().EndpointSlices().Lister()
	n.running.Go(func() { <-ctx.Done(); listener.Close() })
	n.running.Go(n.accept)
	return n, nil
}

// watch begins to follow Services and EndpointSlices; the API server must be there.
func (n *network) watch() {
	n.factory.Start(n.ctx.Done())
	n.factory.WaitForCacheSync(n.ctx.Done())
}

func (n *network) wait() {
	n.running.Wait()
	n.factory.Shutdown()
}

func (n *network) accept() {
	for {
		connection, err := n.listener.Accept()
		if err != nil {
			return
		}
		n.running.Go(func() {
			if err := n.serve(connection); err != nil && n.ctx.Err() == nil {
				slog.Debug("e2e network", "error", err)
			}
		})
	}
}

// dialTimeout bounds how long a pod may take to accept a connection.
const dialTimeout = 5 * time.Second

func (n *network) serve(connection net.Conn) error {
	defer connection.Close()
	defer context.AfterFunc(n.ctx, func() { connection.Close() })()
	request, err := http.ReadRequest(bufio.NewReader(connection))
	if err != nil {
		return err
	}
	refuse := func(reason error) error {
		_, err := fmt.Fprintf(connection, "HTTP/1.1 502 %s\r\n\r\n", reason)
		return errors.Join(reason, err)
	}
	if request.Method != http.MethodConnect {
		return refuse(fmt.Errorf("method %s is not CONNECT", request.Method))
	}
	backend, err := n.choose(request.Host)
	if err != nil {
		return refuse(err)
	}
	to, err := net.DialTimeout("tcp", backend, dialTimeout)
	if err != nil {
		return refuse(err)
	}
	defer to.Close()
	if _, err := io.WriteString(connection, "HTTP/1.1 200 OK\r\n\r\n"); err != nil {
		return err
	}
	both := make(chan struct{})
	go func() {
		defer close(both)
		carry(to, connection)
	}()
	carry(connection, to)
	<-both
	return nil
}

// carry copies until one side ends, and tells the other.
func carry(to, from net.Conn) {
	io.Copy(to, from) //nolint:errcheck // a connection that breaks is broken for both, below
	if half, ok := to.(interface{ CloseWrite() error }); !ok || half.CloseWrite() != nil {
		to.Close()
	}
}

// choose finds the address of the host for an address of the cluster: one of the pods of a Service, or a pod.
func (n *network) choose(address string) (string, error) {
	n.mutex.Lock()
	n.carried[address]++
	port, isPod := n.hosts[address]
	n.mutex.Unlock()
	if isPod {
		return loopback(port), nil
	}
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", err
	}
	number, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return "", fmt.Errorf("address %s: %w", address, err)
	}
	services, err := n.services.List(labels.Everything())
	if err != nil {
		return "", err
	}
	for _, service := range services {
		if service.Spec.ClusterIP != host {
			continue
		}
		for _, p := range service.Spec.Ports {
			if p.Port == int32(number) {
				return n.backend(service, p.Name)
			}
		}
		return "", fmt.Errorf("service %s/%s has no port %d", service.Namespace, service.Name, number)
	}
	return "", fmt.Errorf("nobody has address %s", address)
}

// backend chooses among the ready pods of a Service; when there are none, among those that serve while they end, as
// kube-proxy does (KEP-1669).
func (n *network) backend(service *corev1.Service, portName string) (string, error) {
	slices, err := n.slices.EndpointSlices(service.Namespace).List(labels.SelectorFromSet(labels.Set{discoveryv1.LabelServiceName: service.Name}))
	if err != nil {
		return "", err
	}
	var ready, ending []int
	n.mutex.Lock()
	defer n.mutex.Unlock()
	for _, slice := range slices {
		for _, p := range slice.Ports {
			if p.Port == nil || p.Name == nil || *p.Name != portName {
				continue
			}
			for _, e := range slice.Endpoints {
				port, ok := n.hosts[net.JoinHostPort(e.Addresses[0], strconv.Itoa(int(*p.Port)))]
				switch is := e.Conditions; {
				case !ok:
				case is.Ready == nil || *is.Ready:
					ready = append(ready, port)
				case is.Serving != nil && *is.Serving && is.Terminating != nil && *is.Terminating:
					ending = append(ending, port)
				}
			}
		}
	}
	if len(ready) == 0 {
		ready = ending
	}
	if len(ready) == 0 {
		return "", fmt.Errorf("service %s/%s has no ready pod", service.Namespace, service.Name)
	}
	return loopback(ready[rand.IntN(len(ready))]), nil
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// attach tells on which port of the host a pod's port is; 0 takes it away.
func (n *network) attach(address string, port, hostPort int) {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	key := net.JoinHostPort(address, strconv.Itoa(port))
	if hostPort == 0 {
		delete(n.hosts, key)
		return
	}
	n.hosts[key] = hostPort
}

// Connections counts what the API server connected to through the network, by "address:port" of Services and pods.
func (c *Cluster) Connections(address string) int {
	c.network.mutex.Lock()
	defer c.network.mutex.Unlock()
	return c.network.carried[address]
}
