// Go's result on certificates: crypto/tls and crypto/x509 asked as etcd asks them.

package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"time"
)

// chainQuestion is one of "server" (a client of Go meets the chain), "client" (a server of Go does), "key-pair" (the files
// are loaded), "dial" (a client of Go shows them to a server), "list" (a CRL is read as etcd 3.6 does), "certificate" and "crl"
// (what was issued is described).
type chainQuestion struct {
	Ask   string   `json:"ask"`
	Chain [][]byte `json:"chain"`
	Roots [][]byte `json:"roots"`
	// Host is the name that a client wants of the server.
	Host string `json:"host"`
	// Certificate and Key are the texts of two files, for "key-pair" and "dial"; none are shown where they are empty.
	Certificate string `json:"certificate"`
	Key         string `json:"key"`
	// Address is where to dial.
	Address string `json:"address"`
	// List is a CRL; DER is what was issued, and Issuer the certificate of the CA that signed a CRL.
	List   []byte `json:"list"`
	DER    []byte `json:"der"`
	Issuer []byte `json:"issuer"`
	// At is the time at which both sides validate, in RFC 3339; now where it is empty.
	At string `json:"at"`
}

// errAccepted ends a handshake once the verifying side is content: what comes after does not concern certificates.
var errAccepted = errors.New("accepted")

// chainAnswer holds Go's words of refusal, or what it read in what was issued.
type chainAnswer struct {
	refusal
	Issued *issued `json:"issued"`
}

func (a *asker) answer(asked chainQuestion) (given chainAnswer, err error) {
	switch asked.Ask {
	case "certificate":
		given.Issued, err = readCertificate(asked.DER)
	case "crl":
		given.Issued, err = readCRL(asked.DER, asked.Issuer)
	default:
		if err = a.ask(asked); errors.Is(err, errAccepted) {
			err = nil
		}
	}
	return given, err
}

// asker holds a key and a certificate for the side of a handshake that is not validated, and where both sides meet.
type asker struct {
	own      tls.Certificate
	listener net.Listener
}

func newAsker() (*asker, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "oracle"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return &asker{own: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, listener: listener}, nil
}

func (a *asker) ask(asked chainQuestion) error {
	if asked.Ask == "key-pair" {
		_, err := tls.X509KeyPair([]byte(asked.Certificate), []byte(asked.Key))
		return err
	}
	if asked.Ask == "list" {
		_, err := x509.ParseRevocationList(asked.List)
		return err
	}
	// etcd reads its CA file certificate by certificate and ends at the first that it cannot read
	// (client/pkg/tlsutil NewCertPool).
	pool := x509.NewCertPool()
	for _, der := range asked.Roots {
		root, err := x509.ParseCertificate(der)
		if err != nil {
			return err
		}
		pool.AddCert(root)
	}
	if asked.Ask == "dial" {
		return dial(asked, pool)
	}
	clock := time.Now
	if asked.At != "" {
		at, err := time.Parse(time.RFC3339Nano, asked.At)
		if err != nil {
			return err
		}
		clock = func() time.Time { return at }
	}
	// The key does not belong to the chain. The other side notices that only after it has validated the chain, and
	// errAccepted ends the handshake before.
	shown := tls.Certificate{Certificate: asked.Chain, PrivateKey: a.own.PrivateKey}
	accept := func(tls.ConnectionState) error { return errAccepted }
	if asked.Ask == "server" {
		server := &tls.Config{Certificates: []tls.Certificate{shown}}
		client := &tls.Config{RootCAs: pool, ServerName: asked.Host, VerifyConnection: accept, Time: clock}
		_, err := a.handshake(server, client)
		return err
	}
	server := &tls.Config{
		Certificates:     []tls.Certificate{a.own},
		ClientAuth:       tls.RequireAndVerifyClientCert,
		ClientCAs:        pool,
		Time:             clock,
		VerifyConnection: accept,
	}
	client := &tls.Config{
		InsecureSkipVerify:   true,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &shown, nil },
	}
	err, _ := a.handshake(server, client)
	return err
}

// dial connects as etcdctl does, and reads until the server has answered: in TLS 1.3 it validates the client's certificate
// only after the client's handshake is over.
func dial(asked chainQuestion, pool *x509.CertPool) error {
	config := &tls.Config{RootCAs: pool, ServerName: asked.Host, NextProtos: []string{"h2"}}
	if asked.Certificate != "" {
		own, err := tls.X509KeyPair([]byte(asked.Certificate), []byte(asked.Key))
		if err != nil {
			return err
		}
		// As etcd's client does it: the certificate is sent whichever CAs the server says it knows.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &own, nil }
	}
	connection, err := tls.Dial("tcp", asked.Address, config)
	if err != nil {
		return err
	}
	defer connection.Close()
	_, err = connection.Read(make([]byte, 1))
	return err
}

// handshake returns how it ended for the server and for the client.
func (a *asker) handshake(serverConfig, clientConfig *tls.Config) (error, error) {
	dialled, err := net.Dial("tcp", a.listener.Addr().String())
	if err != nil {
		return err, err
	}
	defer dialled.Close()
	accepted, err := a.listener.Accept()
	if err != nil {
		return err, err
	}
	done := make(chan error, 1)
	go func() {
		defer accepted.Close()
		done <- tls.Server(accepted, serverConfig).Handshake()
	}()
	client := tls.Client(dialled, clientConfig)
	clientErr := client.Handshake()
	if clientErr == nil {
		// In TLS 1.3 the server validates the client's certificate when the client is done, and closes then.
		client.Read(make([]byte, 1))
	} else {
		dialled.Close()
	}
	return <-done, clientErr
}
