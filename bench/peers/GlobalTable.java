import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.StoreQueryParameters;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.QueryableStoreTypes;

/** Bootstraps a GlobalKTable in RocksDB; prints `ready` and the entries it has when it can be queried. */
public class GlobalTable {
  public static void main(String[] args) throws Exception {
    String brokers = args[0], topic = args[1], folder = args[2];
    Properties settings = new Properties();
    settings.put(StreamsConfig.APPLICATION_ID_CONFIG, args[3]);
    settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, brokers);
    settings.put(StreamsConfig.STATE_DIR_CONFIG, folder);
    settings.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 64L << 20);
    settings.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
    settings.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
    settings.put("max.partition.fetch.bytes", 8 << 20);
    settings.put("fetch.max.bytes", 50 << 20);
    settings.put("max.poll.records", 10_000);
    settings.put("global.consumer.max.poll.records", 10_000);
    StreamsBuilder builder = new StreamsBuilder();
    Materialized<Bytes, Bytes, KeyValueStore<Bytes, byte[]>> store = Materialized.as("orders-view");
    builder.globalTable(topic, Consumed.with(Serdes.Bytes(), Serdes.Bytes()), store);
    KafkaStreams streams = new KafkaStreams(builder.build(settings), settings);
    CountDownLatch running = new CountDownLatch(1);
    streams.setStateListener((next, before) -> {
      if (next == KafkaStreams.State.RUNNING) running.countDown();
    });
    streams.start();
    running.await();
    long entries = streams
        .store(StoreQueryParameters.fromNameAndType("orders-view", QueryableStoreTypes.keyValueStore()))
        .approximateNumEntries();
    System.out.println("ready " + entries);
    Thread.sleep(Long.MAX_VALUE);
  }
}
