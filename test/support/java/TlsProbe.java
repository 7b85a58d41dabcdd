import java.io.FileInputStream;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Base64;
import java.util.Collection;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManagerFactory;

/** Dials a TLS server as a client in Java does, and prints the error with its causes. */
public class TlsProbe {
    public static void main(String[] args) throws Exception {
        String host = args[0];
        try {
            SSLContext context = SSLContext.getInstance("TLS");
            context.init(keys(args[3], args[4]), trust(args[2]), null);
            try (SSLSocket socket = (SSLSocket) context.getSocketFactory().createSocket(host, Integer.parseInt(args[1]))) {
                SSLParameters parameters = socket.getSSLParameters();
                parameters.setEndpointIdentificationAlgorithm("HTTPS");
                socket.setSSLParameters(parameters);
                socket.setSoTimeout(5000);
                socket.startHandshake();
                socket.getOutputStream().write("GET /version HTTP/1.1\r\nHost: etcd\r\nConnection: close\r\n\r\n".getBytes());
                if (socket.getInputStream().read() == -1) throw new java.io.EOFException("Remote host terminated the handshake");
            }
        } catch (Exception error) {
            for (Throwable each = error; each != null; each = each.getCause()) System.out.println(each);
        }
    }

    private static javax.net.ssl.TrustManager[] trust(String file) throws Exception {
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, null);
        int index = 0;
        for (Certificate each : certificates(file)) store.setCertificateEntry("ca" + index++, each);
        TrustManagerFactory factory = TrustManagerFactory.getInstance("PKIX");
        factory.init(store);
        return factory.getTrustManagers();
    }

    private static javax.net.ssl.KeyManager[] keys(String cert, String key) throws Exception {
        if (cert.isEmpty()) return null;
        String text = Files.readString(Path.of(key)).replaceAll("-----[^-]*-----|\\s", "");
        PKCS8EncodedKeySpec spec = new PKCS8EncodedKeySpec(Base64.getDecoder().decode(text));
        PrivateKey own = KeyFactory.getInstance("EC").generatePrivate(spec);
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, null);
        store.setKeyEntry("client", own, new char[0], certificates(cert).toArray(new Certificate[0]));
        KeyManagerFactory factory = KeyManagerFactory.getInstance("PKIX");
        factory.init(store, new char[0]);
        return factory.getKeyManagers();
    }

    private static Collection<? extends Certificate> certificates(String file) throws Exception {
        try (InputStream input = new FileInputStream(file)) {
            return CertificateFactory.getInstance("X.509").generateCertificates(input);
        }
    }
}
