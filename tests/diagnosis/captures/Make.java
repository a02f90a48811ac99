import java.io.ByteArrayOutputStream;
import java.net.URLEncoder;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.Signature;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Base64;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Collectors;

/** Messages that Java programs sign. */
class Make {
  static final String TIME = "2024-05-22T09:12:21+08:00";
  static final String CLIENT = "4Q5Y8W0WSG45P907917";
  static final String PATH = "/api/open/alipay/v1/merchant/order/sync";

  public static void main(String[] arguments) throws Exception {
    Map<String, String> members = new LinkedHashMap<>();
    members.put("requestId", "\"0c3f2d1e9b8a47c6a5d4e3f201928374\"");
    members.put("tradeNo", "\"TRADE-1\"");
    members.put("merchantBizNo", "\"BIZ-1\"");
    members.put("merchantBizType", "\"TRADE_ORDER\"");
    members.put("orderStatus", "\"PAID\"");
    members.put("orderCreateTime", "1716340281000");
    members.put("orderModifyTime", "1716340340000");
    members.put("userId", "\"USER-1\"");
    members.put("extInfo", "{\"note\":\"\u5976\u8336\"}");
    String body = toJson(members);

    write("java-hashmap", body, encode(sign("SHA256withRSA", toJson(new HashMap<>(members)).getBytes(StandardCharsets.UTF_8))));
    // The default charset of a Windows machine in mainland China.
    write("java-gbk", body, encode(sign("SHA256withRSA", body.getBytes(Charset.forName("GBK")))));
    write("java-ascii", body, encode(sign("SHA256withRSA", body.getBytes(StandardCharsets.US_ASCII))));
    write("java-sha1", body, encode(sign("SHA1withRSA", body.getBytes(StandardCharsets.UTF_8))));
    // The HTTP client encodes the header once more.
    String signature = encode(sign("SHA256withRSA", body.getBytes(StandardCharsets.UTF_8)));
    write("java-encoded-twice", body, URLEncoder.encode(signature, StandardCharsets.UTF_8));
    write("java-object", body, encode(sign("SHA256withRSA", "null".getBytes(StandardCharsets.UTF_8))));
  }

  static String toJson(Map<String, String> members) {
    return members.entrySet().stream()
        .map(entry -> "\"" + entry.getKey() + "\":" + entry.getValue())
        .collect(Collectors.joining(",", "{", "}"));
  }

  static byte[] sign(String algorithm, byte[] body) throws Exception {
    String pem = Files.readString(Path.of("keys/sender.pem")).replaceAll("-----[^-]+-----|\\s", "");
    PrivateKey key = KeyFactory.getInstance("RSA").generatePrivate(new PKCS8EncodedKeySpec(Base64.getDecoder().decode(pem)));
    Signature signature = Signature.getInstance(algorithm);
    signature.initSign(key);
    signature.update(("POST " + PATH + "\n" + CLIENT + "." + TIME + ".").getBytes(StandardCharsets.UTF_8));
    signature.update(body);
    return signature.sign();
  }

  static String encode(byte[] signature) {
    return URLEncoder.encode(Base64.getEncoder().encodeToString(signature), StandardCharsets.UTF_8);
  }

  static void write(String name, String body, String signature) throws Exception {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    byte[] bytes = body.getBytes(StandardCharsets.UTF_8);
    out.writeBytes(("POST " + PATH + " HTTP/1.1\r\nHost: shop.example\r\nClient-Id: " + CLIENT + "\r\n"
        + "Content-Type: application/json; charset=UTF-8\r\nRequest-Time: " + TIME + "\r\n"
        + "Signature: algorithm=RSA256,keyVersion=1,signature=" + signature + "\r\nContent-Length: " + bytes.length
        + "\r\n\r\n").getBytes(StandardCharsets.UTF_8));
    out.writeBytes(bytes);
    Files.write(Path.of(name + ".http"), out.toByteArray());
  }
}
