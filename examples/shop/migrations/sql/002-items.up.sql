CREATE TABLE items (cart bigint REFERENCES carts, article text NOT NULL, count int NOT NULL);
