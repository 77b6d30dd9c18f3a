import java.util.List;
import java.util.Map;
import org.opensearch.common.settings.Settings;
import org.opensearch.http.HttpServerTransport;
import org.opensearch.node.InternalSettingsPreparer;
import org.opensearch.node.Node;
import org.opensearch.transport.Netty4Plugin;

/** Runs a node of one until its standard input ends. Arguments: its home, its data, its port or 0. */
public class Server {
  private static class Embedded extends Node {
    Embedded(Settings settings) {
      super(InternalSettingsPreparer.prepareEnvironment(settings, Map.of(), null, () -> "assay"), List.of(Netty4Plugin.class), false);
    }
  }

  public static void main(String[] arguments) throws Exception {
    Settings settings = Settings.builder()
        .put("path.home", arguments[0])
        .put("path.data", arguments[1])
        .put("http.port", arguments[2])
        .put("http.type", "netty4")
        .put("transport.type", "netty4")
        .put("transport.port", "0")
        .put("network.host", "127.0.0.1")
        .put("discovery.type", "single-node")
        .put("cluster.routing.allocation.disk.threshold_enabled", false)
        .build();
    try (Node node = new Embedded(settings).start()) {
      System.out.println("port " + node.injector().getInstance(HttpServerTransport.class).boundAddress().publishAddress().getPort());
      while (System.in.read() != -1) {}
    }
    System.exit(0);
  }
}
