import java.util.Map;
import java.util.Set;
import org.elasticsearch.common.logging.LogConfigurator;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.env.Environment;
import org.elasticsearch.http.HttpServerTransport;
import org.elasticsearch.node.InternalSettingsPreparer;
import org.elasticsearch.node.Node;
import org.elasticsearch.plugins.PluginsLoader;

/** Runs a node of one until its standard input ends. Arguments: its home, its data, its port or 0. */
public class Server {
  public static void main(String[] arguments) throws Exception {
    LogConfigurator.configureESLogging();
    Settings settings = Settings.builder()
        .put("path.home", arguments[0])
        .put("path.data", arguments[1])
        .put("http.port", arguments[2])
        .put("transport.port", "0")
        .put("network.host", "127.0.0.1")
        .put("discovery.type", "single-node")
        .put("cluster.routing.allocation.disk.threshold_enabled", false)
        .build();
    Environment environment = InternalSettingsPreparer.prepareEnvironment(settings, Map.of(), null, () -> "assay");
    PluginsLoader modules = PluginsLoader.createPluginsLoader(PluginsLoader.loadModulesBundles(environment.modulesDir()), Set.of(), Map.of(), false);
    try (Node node = new Node(environment, modules).start()) {
      System.out.println("port " + node.injector().getInstance(HttpServerTransport.class).boundAddress().publishAddress().getPort());
      while (System.in.read() != -1) {}
    }
    System.exit(0);
  }
}
